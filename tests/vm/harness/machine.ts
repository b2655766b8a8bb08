import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { netbootOfImage } from "../../../src/build/netboot.ts";
import { MiB } from "../../../src/core/units.ts";
import { openImage } from "../../../src/host/image-file.ts";
import { loaderCommandLine } from "../../../src/layout/cmdline.ts";
import { decodeGpt } from "../../../src/layout/gpt.ts";
import { IMAGE_FILES } from "../../../src/layout/disk.ts";
import type { SlotName } from "../../../src/layout/slots.ts";
import { kernelOf } from "../../../src/vm/bootable.ts";
import { chooseAccelerator } from "../../../src/vm/kvm.ts";
import { disksWithMedium, type MediumKind } from "../../../src/vm/medium-disks.ts";
import type { VmDisk, VmOptions } from "../../../src/vm/options.ts";
import { startVm, type Vm } from "../../../src/vm/vm.ts";
import { takeCore } from "../../support/turns.ts";
import type { Fixture } from "./fixture.ts";
import { AGENT_PORT, guestOf, type Guest } from "./guest.ts";
import { copyOut } from "./places.ts";

export type MachineOptions = Omit<VmOptions, "disks" | "kernel" | "ports"> & {
  readonly disk?: Omit<VmDisk, "path" | "format">;
  /** Skip GRUB and boot this slot's kernel. */
  readonly slot?: SlotName;
  /** The same disk a second time, beside the first. */
  readonly twice?: boolean;
  /** What the guest finds as further disks, write-protected unless they say otherwise: beside one the first is /dev/disk/by-id/virtio-petrify1. */
  readonly beside?: readonly Omit<VmDisk, "format">[];
  /** Boot the image from memory, without a disk; the machine has the memory that takes. */
  readonly ram?: boolean;
  /** A medium, and the disk that the machine has in place of the fixture's. */
  readonly medium?: { readonly path: string; readonly kind: MediumKind; readonly disk: VmDisk };
};
export interface Machine extends AsyncDisposable {
  readonly vm: Vm;
  readonly guest: Guest;
}

/** Every line that says what boots, and why something does not. */
export const SAYS = /petrify: [^\n]*/g;

/** Boots a fixture's disk once a core is free; what the guest writes is thrown away. With KVM where it works. */
export async function machine(
  fixture: Fixture,
  { disk, slot, twice, beside = [], ram, medium, ...options }: MachineOptions = {},
): Promise<Machine> {
  await using cleanup = new AsyncDisposableStack();
  cleanup.use(await takeCore());
  const folder = await mkdtemp(join(tmpdir(), "petrify-vm-"));
  cleanup.defer(async () => await rm(folder, { recursive: true }));
  const fromMemory = ram ? await ramKernel(fixture, folder) : undefined;
  const kernel = fromMemory?.kernel ?? (slot && (await bootedKernel(fixture, slot, folder)));
  const { accelerator } = await chooseAccelerator(
    fixture.host,
    async () => await kernelOf(fixture.host.tools, fixture.image, folder),
  );
  const one: VmDisk = { ...disk, path: fixture.disk, format: "raw" };
  const fixed = ram ? [] : twice ? [one, one] : [one];
  const own = medium ? disksWithMedium(medium.disk, medium.path, medium.kind, options.firmware ?? "bios") : fixed;
  const vm = await startVm(fixture.host, {
    ...{ accelerator, memory: fromMemory?.memory ?? 512 * MiB, ports: [AGENT_PORT], ...options },
    ...{
      disks: [...own, ...beside.map((found): VmDisk => ({ readOnly: true, ...found, format: "raw" }))],
      ...(kernel ? { kernel } : {}),
    },
  });
  cleanup.use(vm);
  const scope = cleanup.move();
  return { vm, guest: guestOf(vm, fixture.init, fixture.node), [Symbol.asyncDispose]: async () => await scope.disposeAsync() };
}

async function ramKernel(
  { host: { tools }, image }: Fixture,
  folder: string,
): Promise<Required<Pick<VmOptions, "kernel" | "memory">>> {
  const { kernel, initrd, cmdline, memory } = await netbootOfImage(tools, image, join(folder, "netboot"));
  return { kernel: { path: kernel, initrd, cmdline }, memory };
}

/** What GRUB would load, with the words it would add. */
async function bootedKernel(
  { host: { tools }, image: imageA, slotB, disk }: Fixture,
  slot: SlotName,
  folder: string,
): Promise<NonNullable<VmOptions["kernel"]>> {
  const image = slot === "a" ? imageA : slotB;
  using inner = openImage(image);
  const boot = decodeGpt(inner.read, inner.size, 512).partitions.find(({ name }) => name === "boot")!;
  using outer = openImage(disk);
  const state = decodeGpt(outer.read, outer.size, 512).partitions.find(({ name }) => name === "state")!;
  const file = async (name: string): Promise<Buffer> => await copyOut(tools, `${image}@@${boot.start}`, name);
  await writeFile(join(folder, "vmlinuz"), await file("vmlinuz"));
  await writeFile(join(folder, "initrd"), await file("initrd"));
  const words = /petrify_cmdline=['"]([^'"]*)['"]/.exec((await file("image.cfg")).toString())![1]!;
  const cmdline = `${words} ${loaderCommandLine({ slot, disk: state.guid, file: IMAGE_FILES[slot] })}`;
  return { path: join(folder, "vmlinuz"), initrd: join(folder, "initrd"), cmdline };
}
