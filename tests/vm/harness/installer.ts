import { appendFile, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { netbootOfImage } from "../../../src/build/netboot.ts";
import { alignUp } from "../../../src/core/units.ts";
import { fileSize } from "../../../src/host/files.ts";
import { CPIO_FILE, encodeCpio } from "../../../src/layout/cpio.ts";
import { BROUGHT_CONFIG } from "../../../src/layout/machine-config-place.ts";
import { kernelOf } from "../../../src/vm/bootable.ts";
import { chooseAccelerator } from "../../../src/vm/kvm.ts";
import type { VmDisk } from "../../../src/vm/options.ts";
import { startVm, type Vm } from "../../../src/vm/vm.ts";
import { takeCore } from "../../support/turns.ts";
import type { Fixture } from "./fixture.ts";
import { AGENT_PORT, guestOf, type Guest } from "./guest.ts";

export interface InstallerOptions {
  /** Words behind those of the image. */
  readonly words: string;
  /** A machine config beside the image, as a boot loader brings one. */
  readonly config?: string;
  /** What the machine has of disks; they keep what is written to them. */
  readonly disks: readonly string[];
}

/** A machine that was started from a medium or from the network: the image in memory, and an installer on its consoles. It has the memory that is said to do. */
export async function installer(
  { host, image, init }: Fixture,
  { words, config, disks }: InstallerOptions,
): Promise<{ readonly vm: Vm; readonly guest: Guest } & AsyncDisposable> {
  await using cleanup = new AsyncDisposableStack();
  cleanup.use(await takeCore());
  const folder = await mkdtemp(join(tmpdir(), "petrify-installer-"));
  cleanup.defer(async () => await rm(folder, { recursive: true }));
  const { kernel: path, initrd, cmdline, memory } = await netbootOfImage(host.tools, image, join(folder, "netboot"));
  if (config !== undefined) {
    const size = await fileSize(initrd);
    const archive = encodeCpio(
      [{ path: BROUGHT_CONFIG.slice(1), mode: CPIO_FILE | 0o644, data: new TextEncoder().encode(config) }],
      0,
    );
    await appendFile(initrd, Buffer.concat([new Uint8Array(alignUp(size, 4) - size), archive]));
  }
  const { accelerator } = await chooseAccelerator(host, async () => await kernelOf(host.tools, image, folder));
  const vm = await startVm(host, {
    ...{ accelerator, memory, ports: [AGENT_PORT] },
    kernel: { path, initrd, cmdline: `${cmdline} ${words}` },
    disks: disks.map((disk): VmDisk => ({ path: disk, format: "raw", writes: "keep" })),
  });
  cleanup.use(vm);
  const scope = cleanup.move();
  return { vm, guest: guestOf(vm, init), [Symbol.asyncDispose]: async () => await scope.disposeAsync() };
}

/** A file of that size with nothing in it. */
export async function blankDisk(path: string, size: number): Promise<string> {
  await writeFile(path, "");
  await truncate(path, size);
  return path;
}
