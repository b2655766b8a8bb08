/** Runs an operation in a VM and keeps the log of its disk. */
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MiB, type Bytes } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import { imageCommandLine, loaderCommandLine } from "../../src/layout/cmdline.ts";
import { IMAGE_FILES } from "../../src/layout/disk.ts";
import { decodeGpt, type SectorSize } from "../../src/layout/gpt.ts";
import type { Controller, Firmware, VmDisk } from "../../src/vm/options.ts";
import { startVm, type VmHost } from "../../src/vm/vm.ts";
import { marker, lately, recorder, type LogEntry } from "./recorder.ts";
import { serveNbd } from "./nbd-server.ts";

/** The kernel and the initrd of a built image: what they write is part of what is judged. */
export interface Linux {
  readonly kernel: string;
  readonly initrd: string;
}

export interface LabRun {
  /** A raw disk; it is not written to. */
  readonly disk: string;
  /** What the guest sees; default the file's. */
  readonly size?: Bytes;
  readonly controller: Controller;
  /** An EROFS with the lab's program. */
  readonly lab: string;
  /** Of the image that is booted. */
  readonly rootHash: string;
  readonly operation: string;
  /** Which is booted; default `a`. */
  readonly slot?: "a" | "recovery";
  readonly without?: readonly string[];
  /** A disk that is overwritten: it is the one that is recorded, and the other one is left as it is. */
  readonly target?: LabTarget;
}
export interface LabTarget {
  readonly size: Bytes;
  /** What it holds at first. */
  readonly read: (offset: Bytes, length: Bytes) => Uint8Array;
  readonly sectorSize: SectorSize;
  /** Path of a raw disk: what it is to become. */
  readonly image: string;
}

const LIMIT_MS = 300_000;
/** A reset writes both slots and two file systems, each write acknowledged late. */
const LAB_LIMIT_MS = 900_000;

/**
 * Boots an image by way of the initrd, and lets the lab's program carry out the operation.
 *
 * @throws Error when the operation fails, or does not end
 */
export async function recordLab(host: VmHost, { kernel, initrd }: Linux, run: LabRun): Promise<readonly LogEntry[]> {
  using base = openImage(run.disk);
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-crash-"));
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const { target } = run;
  const log = target ? recorder(target.size, target.read, lately) : recorder(run.size ?? base.size, base.read, lately);
  const marks = marker(log, (text) => {
    if (text === "end") resolve();
    if (text.startsWith("failed ")) reject(new Error(`${run.operation}: ${text}`));
  });
  const path = (name: string): string => join(folder.path, name);
  await using servers = new AsyncDisposableStack();
  servers.use(await serveNbd(path("disk"), log));
  servers.use(await serveNbd(path("marks"), marks));
  const { slot = "a" } = run;
  const { partitions } = decodeGpt(base.read, base.size, 512);
  const images = partitions.find(({ name }) => name === (slot === "a" ? "state" : "recovery"))!;
  const cmdline = [
    imageCommandLine({ rootHash: run.rootHash, words: ["quiet", "loglevel=4"] }),
    loaderCommandLine({ slot, disk: images.guid, file: IMAGE_FILES[slot === "a" ? "a" : "recovery1"] }),
    ...["--", run.operation.replaceAll(" ", "_"), ...(run.without ?? [])],
  ].join(" ");
  await using vm = await startVm(host, {
    memory: 512 * MiB,
    kernel: { path: kernel, initrd, cmdline },
    endOnReboot: true,
    disks: [
      target ? { path: run.disk, format: "raw" } : { path: path("disk"), format: "nbd", controller: run.controller },
      { path: run.lab, format: "raw" },
      { path: path("marks"), format: "nbd" },
      ...(target ? targetDisks(target, path("disk"), run.controller) : []),
    ],
  });
  const timer = setTimeout(() => reject(new Error(`${run.operation}: it did not end`)), LAB_LIMIT_MS);
  void vm.exited.then(({ reason }) => reject(new Error(`${run.operation}: the machine ended (${reason})`)));
  try {
    await ended;
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${vm.consoleText().split("\n").slice(-40).join("\n")}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  await vm.quit();
  return log.log.slice();
}

const targetDisks = ({ sectorSize, image }: LabTarget, path: string, controller: Controller): VmDisk[] => [
  { path, format: "nbd", controller, sectorSize },
  { path: image, format: "raw", readOnly: true },
];

/** Boots the disk by way of GRUB, again and again: an image's kernel says that it has started, and restarts. Each start is a mark. */
export async function recordGrub(
  host: VmHost,
  { disk, controller, boots }: { readonly disk: string; readonly controller: Controller; readonly boots: number },
): Promise<readonly LogEntry[]> {
  using base = openImage(disk);
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-crash-"));
  const log = recorder(base.size, base.read, lately);
  const path = join(folder.path, "disk");
  await using servers = new AsyncDisposableStack();
  servers.use(await serveNbd(path, log));
  await using vm = await startVm(host, { memory: 256 * MiB, disks: [{ path, format: "nbd", controller }] });
  for (let boot = 0; boot < boots; boot++) {
    log.mark("step boot by GRUB");
    const [, words] = await vm.waitForConsole(STARTED);
    log.mark(`started ${words}`);
  }
  await vm.quit();
  return log.log.slice();
}

/** What the kernel of a matrix image says. */
const STARTED = /^STARTED (\S.*)$/m;

export interface BootOptions {
  /** Default `bios`. */
  readonly firmware?: Firmware;
  /** Default 512. */
  readonly sectorSize?: SectorSize;
}

/**
 * Boots a disk by way of its loader.
 *
 * @returns the kernel's words; nothing when firmware finds nothing to start, or the loader has restarted the machine without a kernel
 */
export async function bootOnce(
  host: VmHost,
  disk: string,
  { firmware = "bios", sectorSize = 512 }: BootOptions = {},
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(LIMIT_MS);
  const disks = [{ path: disk, format: "raw", sectorSize }] as const;
  const options = { memory: 256 * MiB, firmware, disks, endOnReboot: true, extra: AGAIN };
  await using vm = await startVm({ ...host, signal }, options);
  const nothing = vm.waitForConsole(NOTHING, { timeoutMs: LIMIT_MS }).catch(async () => await vm.exited);
  await Promise.race([vm.exited, nothing]);
  signal.throwIfAborted();
  return STARTED.exec(vm.consoleText())?.[1];
}

/** BIOS that finds nothing to start tries again after so many milliseconds, which is a restart. */
const AGAIN = ["-boot", "reboot-timeout=100"] as const;
/** What UEFI starts then. */
const NOTHING = /UEFI Interactive Shell/;
