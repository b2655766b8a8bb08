/** @portable Scripts for iPXE, the boot loader of machines that boot from the network. Source: ipxe.org/cmd, ipxe.org/scripting */
import { AppError } from "../core/error.ts";
import { MACHINE_ARCHIVE, machineArchivePath, type MachineName } from "./machine-archive.ts";
import { NETBOOT_FILES } from "./netboot.ts";

/**
 * Boots the files beside the script: iPXE takes their names as relative to where it fetched the script from (ipxe.org/cfg/cwduri).
 *
 * Each `initrd=` names a file for kernels that the firmware of UEFI starts; elsewhere iPXE joins them by itself, in the order in which they came. A machine's
 * own config is chosen by the address of the card that it boots from, and one that is there but cannot be fetched ends the boot: the machine
 * must not go on with another's, or with none.
 *
 * @param machines which machine configs lie beside the script
 */
export function ipxeScript(cmdline: string, machines: readonly MachineName[] = []): string {
  const addresses = machines.filter((name) => name !== "default");
  const config = [
    ...(machines.includes("default") ? ["set machine default"] : []),
    ...addresses.map((address) => `iseq \${mac:hexhyp} ${address} && set machine ${address} ||`),
    "isset ${machine} || goto boot",
    `initrd --name ${MACHINE_ARCHIVE} ${machineArchivePath("${machine}")}`,
    `set words initrd=${MACHINE_ARCHIVE}`,
    ":boot",
  ];
  return [
    "#!ipxe",
    `initrd --name ${NETBOOT_FILES.initrd} ${NETBOOT_FILES.initrd}`,
    ...(machines.length > 0 ? config : []),
    `kernel ${NETBOOT_FILES.kernel} initrd=${NETBOOT_FILES.initrd} ${machines.length > 0 ? "${words} " : ""}${cmdline}`,
    "boot",
    "",
  ].join("\n");
}

/** What iPXE would take as its own: settings, comments, ends of commands. */
const IPXE_READS = /\$\{|^#|^(;|&&|\|\|)$/;
/** They are of the image that is served, and cannot be had twice. */
const OF_THE_IMAGE = /^petrify\.(roothash|slot|size|memory|disk|file)(=|$)/;

/**
 * One more word for the kernel's command line.
 *
 * @throws AppError `KERNEL_WORD_INVALID`
 */
export function kernelWord(word: string): string {
  const invalid = (why: string): AppError =>
    new AppError("KERNEL_WORD_INVALID", `${JSON.stringify(word)} cannot be a word of the kernel's command line: ${why}`);
  if (!/^[\x21-\x7e]+$/.test(word)) throw invalid("it is empty, or has blanks or other than ASCII characters");
  if (IPXE_READS.test(word)) throw invalid("iPXE reads it as its own");
  if (OF_THE_IMAGE.test(word)) throw invalid("it is the image's");
  return word;
}
