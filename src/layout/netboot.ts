/** @portable A boot from memory: kernel and an initrd that holds the whole image. docs/concepts/ram.md */
import { alignUp, MiB, type Bytes } from "../core/units.ts";

/** The kernel, the rest of the initrd, and what firmware keeps (UEFI 20 MiB more than BIOS, in QEMU). */
const BESIDE: Bytes = 144 * MiB;
/** Beside the image once it runs: the kernel, an init, the agent, installers on two consoles, and an installation (measured: 363 MiB in use). */
const INSTALLING: Bytes = 416 * MiB;
const STEP: Bytes = 64 * MiB;

/**
 * Memory that a machine needs to boot an image from memory: the archive as it was loaded is there until all of it is unpacked, and of what it
 * leaves the kernel gives half to what is unpacked (measured with Linux 6.12). Of a small image that is less than what an installation needs later.
 *
 * @param archive what the image is loaded as; default: as large as the image
 */
export const memoryForImage = (image: Bytes, archive: Bytes = image): Bytes =>
  alignUp(Math.max(2 * image + archive + BESIDE, image + INSTALLING), STEP);

/**
 * The same for UEFI machines that iPXE starts: what it has loaded is its own until the kernel runs, which counts memory before that.
 *
 * @param memory what {@link memoryForImage} says
 * @param initrd all that is loaded
 */
export const memoryThroughIpxe = (memory: Bytes, initrd: Bytes): Bytes => alignUp(memory + initrd, STEP);

/** Names of the files that a boot from memory needs, in a folder of their own. */
export const NETBOOT_FILES = { kernel: "vmlinuz", initrd: "initrd", cmdline: "cmdline", script: "boot.ipxe" } as const;
