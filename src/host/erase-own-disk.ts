/** The end of a machine's own disk, by what runs from it. docs/concepts/reset.md */
import { constants, openSync, writeSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { MiB, type Bytes } from "../core/units.ts";
import { readRuns, readText } from "./files.ts";
import type { Extent } from "../layout/disk.ts";
import { gapsOf } from "../layout/wipe-plan.ts";
import { alignedBuffer } from "./aligned-buffer.ts";
import { openDirect } from "./direct-read.ts";

export interface OwnDisk {
  /** `/dev/vda` */
  readonly disk: string;
  /** Where all its partitions are. What lies between them (tables, boot sectors) is overwritten, too. */
  readonly partitions: readonly Extent[];
  /** Those that nothing runs from and that are not overwritten yet. */
  readonly first: readonly string[];
  /** The one that the running image is in. */
  readonly last: string;
}

/**
 * Makes what is left of the disk zero, what runs last, and powers the machine off at once: nothing can be stopped in good order, since the programs for that are gone.
 *
 * Programs that are not in memory any more restart the machine (dm-verity, `restart_on_corruption`): it finds nothing to boot then.
 *
 * @throws NodeJS.ErrnoException where the disk cannot be written
 */
export async function eraseAndPowerOff(
  { disk, partitions, first, last }: OwnDisk,
  progress: (done: Bytes, total: Bytes) => void,
  { powerOff, holdStill }: Means = { powerOff: preparedPowerOff(), holdStill: holdOthersStill },
): Promise<void> {
  const zeros = alignedBuffer(MiB).fill(0);
  await using scope = new AsyncDisposableStack();
  const handles: { readonly handle: FileHandle; readonly size: Bytes }[] = [];
  for (const path of [...first, disk, last])
    handles.push({ handle: scope.use(await openShared(path)), size: await sizeOf(path) });
  const runs = handles.map(({ handle, size }, index) => ({
    handle,
    extents: index === first.length ? gapsOf(size, partitions) : [{ start: 0, size }],
  }));
  const total = runs.flatMap(({ extents }) => extents).reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  await using held = new AsyncDisposableStack();
  for (const [index, { handle, extents }] of runs.entries()) {
    if (index === runs.length - 1) held.use(await holdStill());
    for (const { start, size } of extents) {
      for (let at = start; at < start + size; at += MiB) {
        const length = Math.min(MiB, start + size - at);
        await writeZeros(handle, zeros, length, at);
        progress((done += length), total);
      }
    }
    await handle.datasync();
  }
  await powerOff();
}

interface Means {
  readonly powerOff: () => Promise<void>;
  /** Sees to it that nothing is read from the disk any more, until the scope ends. */
  readonly holdStill: () => Promise<AsyncDisposable>;
}

/**
 * What this process and PID 1 run is read into memory, all other processes stop: one that runs something that is not in memory would find zeros there,
 * for which dm-verity restarts the machine before all is overwritten.
 */
async function holdOthersStill(): Promise<AsyncDisposable> {
  for (const pid of ["self", "1"]) {
    const maps = await readText(`/proc/${pid}/maps`);
    const files = new Set(maps.split("\n").flatMap((line) => /^[^/]*(\/(?:usr|lib|lib64|sbin|bin)\/.*)$/.exec(line)?.[1] ?? []));
    for (const path of files) {
      try {
        for await (const _ of readRuns(path));
      } catch {
        // A file that is gone, or whose name is another one by now.
      }
    }
  }
  process.kill(-1, "SIGSTOP"); // neither this process nor PID 1. Source: kill(2)
  return { [Symbol.asyncDispose]: async () => await Promise.resolve(void process.kill(-1, "SIGCONT")) };
}

/** What runs is mounted, so nobody has the disk alone. */
async function openShared(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_WRONLY | constants.O_DIRECT);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
    return await open(path, constants.O_WRONLY); // a file that stands for it in tests
  }
}

async function writeZeros(handle: FileHandle, zeros: Uint8Array, length: Bytes, at: Bytes): Promise<void> {
  for (let done = 0; done < length;) {
    const { bytesWritten } = await handle.write(zeros, done, length - done, at + done);
    if (bytesWritten === 0) throw new Error(`nothing could be written at ${at + done}`);
    done += bytesWritten;
  }
}

async function sizeOf(path: string): Promise<Bytes> {
  await using file = await openDirect(path);
  return file.size;
}

/**
 * By the kernel's own key, opened while there is still something to load from: the agent may not call reboot(2). It does not come back.
 *
 * Source: Documentation/admin-guide/sysrq.rst
 */
function preparedPowerOff(): () => Promise<void> {
  const key = openSync("/proc/sysrq-trigger", "w");
  return async () => {
    writeSync(key, "o");
    await new Promise(() => {});
  };
}
