/** Makes a disk blank. docs/concepts/reset.md */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { AppError } from "../core/error.ts";
import { formatSize, MiB, type Bytes } from "../core/units.ts";
import type { Extent } from "../layout/disk.ts";
import { flashPlan, type FlashPhase } from "../layout/flash-plan.ts";
import { quickWipe } from "../layout/wipe-plan.ts";
import { discardAll, openFlashDevice, type FlashDevice } from "./flash-device.ts";
import { flash } from "./flash.ts";

/** `full`: every byte becomes zero. `quick`: all that says what is where, and the disk is told that it need not keep the rest. */
export const WIPE_KINDS = ["full", "quick"] as const;
export type WipeKind = (typeof WIPE_KINDS)[number];

export interface WipeInput {
  readonly path: string;
  readonly isFile: boolean;
  readonly sectorSize: Bytes;
  readonly kind: WipeKind;
  readonly signal: AbortSignal;
  readonly progress: (phase: FlashPhase, done: Bytes, total: Bytes) => void;
}
export interface Wiped {
  /** Bytes that are zero now, read back from the disk. */
  readonly zeroed: Bytes;
  /** The disk took it that nothing of it is needed; it may keep it all the same. */
  readonly discarded: boolean;
}

const CHUNK: Bytes = MiB;
/** What tells what is on a whole disk, at its front. */
const FRONT: Bytes = MiB;

/**
 * Boot sector and partition tables go first: cut off anywhere, nothing boots from the disk, and it can be repeated.
 *
 * @throws AppError as {@link flash}; NodeJS.ErrnoException
 */
export async function wipeDisk(input: WipeInput): Promise<Wiped> {
  const { path, isFile, sectorSize, kind } = input;
  const partitions = isFile || kind === "full" ? [] : await partitionsOf(path);
  await using device = await openFlashDevice(path, { isFile, sectorSize });
  if (kind === "full") return await wipeFully(device, input);
  return await wipeQuickly({ ...input, device, partitions, discard: async () => await discardAll(path, isFile, device.size) });
}

/** A disk image of zeros, written like any other. */
async function wipeFully(device: FlashDevice, { path, sectorSize, signal, progress }: WipeInput): Promise<Wiped> {
  const size = Math.floor(device.size / 512) * 512;
  const zeros = new Uint8Array(CHUNK);
  const source = { path: "zeros", read: async (_: Bytes, length: Bytes) => await Promise.resolve(zeros.subarray(0, length)) };
  await flash({ source, path, device, plan: flashPlan(size, device.size, sectorSize), signal, progress });
  return { zeroed: size, discarded: false };
}

export interface QuickWipe extends Pick<WipeInput, "path" | "signal" | "progress"> {
  readonly device: Omit<FlashDevice, keyof AsyncDisposable | "write">;
  readonly partitions: readonly Extent[];
  /** Tells the disk that nothing of it is needed. @returns whether it took it */
  readonly discard: () => Promise<boolean>;
}

/** The quick kind, in its order. @throws AppError `FLASH_WRITE_FAILED`, `FLASH_READ_FAILED`, `FLASH_DIFFERS` */
export async function wipeQuickly({ device, partitions, discard, path, signal, progress }: QuickWipe): Promise<Wiped> {
  const extents = quickWipe(device.size, partitions);
  const total = extents.reduce((sum, { size }) => sum + size, 0);
  const writing = async (at: Bytes, body: () => Promise<void>): Promise<void> => {
    await body().catch((cause: unknown) => {
      throw failed("FLASH_WRITE_FAILED", `${path} cannot be written at ${formatSize(at)}`, cause);
    });
  };
  signal.throwIfAborted();
  await writing(0, async () => {
    await device.zero(0, Math.min(FRONT, device.size));
    await device.flush();
  });
  const discarded = await discard();
  let done = 0;
  // Also after a discard: what is read from then on is up to the disk.
  for (const { start, size } of extents) {
    signal.throwIfAborted();
    await writing(start, async () => await device.zero(start, size));
    progress("writing", (done += size), total);
  }
  await writing(0, async () => await device.flush());
  done = 0;
  for (const { start, size } of extents) {
    for (let at = start; at < start + size; at += CHUNK) {
      signal.throwIfAborted();
      const bytes = await device.read(at, Math.min(CHUNK, start + size - at)).catch((cause: unknown) => {
        throw failed("FLASH_READ_FAILED", `${path} cannot be read back at ${formatSize(at)}`, cause);
      });
      if (!bytes.every((byte) => byte === 0)) {
        throw failed("FLASH_DIFFERS", `${path} does not keep what is written to it at ${formatSize(at)}`);
      }
      progress("reading back", (done += bytes.length), total);
    }
  }
  return { zeroed: total, discarded };
}

const failed = (code: string, message: string, cause?: unknown): AppError =>
  new AppError(
    code,
    cause === undefined ? message : `${message}: ${(cause as NodeJS.ErrnoException).code ?? (cause as Error).message}`,
    {
      hint: "The disk is failing, or was pulled out: what was on it may still be there. Look at `dmesg`, or destroy the disk.",
      cause,
    },
  );

/** Where the kernel sees partitions; sysfs counts in 512 bytes, whatever the disk's sectors are. Source: Documentation/ABI/stable/sysfs-block */
export async function partitionsOf(path: string): Promise<Extent[]> {
  const folder = `/sys/class/block/${basename(path)}`;
  const found: Extent[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const [start, size] = await Promise.all(
      ["start", "size"].map(async (file) => Number(await readFile(join(folder, name, file), "utf8").catch(() => "x"))),
    );
    const isPartition = await readFile(join(folder, name, "partition")).then(
      () => true,
      () => false,
    );
    if (isPartition && Number.isSafeInteger(start) && Number.isSafeInteger(size))
      found.push({ start: start! * 512, size: size! * 512 });
  }
  return found;
}
