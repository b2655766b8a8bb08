/** What a state looks like to those who read it: GRUB's own file system code, and Linux after a check of the file system. Each look is kept by content. */
import { open, readFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Bytes } from "../../src/core/units.ts";
import { run, type RunResult } from "../../src/host/run.ts";
import type { Tools } from "../../src/host/tools.ts";
import type { ImageName } from "../../src/layout/boot-rules.ts";
import { DISK_PARTITIONS, IMAGE_FILES, type Extent } from "../../src/layout/disk.ts";
import type { Piece } from "./power-cut.ts";
import type { ReplayDisk } from "./replay-disk.ts";
import type { Runner } from "./runner.ts";

/** Where GRUB sees the data of each image file, in bytes of its partition; nothing where it sees no such file. */
export type GrubView = Readonly<Record<ImageName, readonly Extent[]>>;

export interface Ext4View {
  /** `e2fsck -p`, which every boot runs, mends it without a question. */
  readonly mends: boolean;
  /** Nothing is left to mend then. */
  readonly clean: boolean;
  /** What the programs said. */
  readonly said: string;
  /** Contents by path; nothing where there is no such file. */
  readonly files: ReadonlyMap<string, Buffer | undefined>;
}

export type Ext4Partition = "oem" | "persistent" | "state" | "recovery";

export interface Views {
  readonly grub: (disk: ReplayDisk) => Promise<GrubView>;
  readonly ext4: (disk: ReplayDisk, partition: Ext4Partition, size: Bytes, files: readonly string[]) => Promise<Ext4View>;
  /** How often programs had to look. */
  readonly looks: () => number;
}

const AT_ONCE = 3;
const LIMIT_MS = 60_000;

/** @param folder an existing one, best in memory; the caller removes it */
export function openViews(tools: Tools, runner: Runner, folder: string): Views {
  const grub = new Map<string, Promise<GrubView>>();
  const ext4 = new Map<string, Promise<Ext4View>>();
  const turns = semaphore(AT_ONCE);
  let looks = 0;
  const program = ownProgram(tools);
  const runProgram: RunProgram = async (stdin, ...words) =>
    await runner.run({ ...ANY_EXIT, argv: program(...words), ...(stdin === undefined ? {} : { stdin }) });
  /** Contents are taken now, the programs run later. */
  const look = async <T>(size: Bytes, blocks: readonly Piece[], body: (path: string) => Promise<T>): Promise<T> => {
    const path = join(folder, `look-${looks++}`);
    return await turns(async () => {
      try {
        await writeSparse(path, size, blocks);
        return await body(path);
      } finally {
        await rm(path, { force: true });
      }
    });
  };
  return {
    looks: () => looks,
    grub: (disk) => {
      const key = (["table", "bios", "state", "recovery"] as const).map((region) => disk.sum(region)).join();
      const known = grub.get(key);
      if (known) return known;
      const { size, partitions, images } = disk.layout;
      const kept: Extent[] = [
        { start: 0, size: partitions.efi.start },
        partitions.recovery,
        partitions.state,
        { start: size - partitions.bios.start, size: partitions.bios.start },
      ];
      const blocks = kept.flatMap((extent) => disk.blocks(extent, Object.values(images)));
      const seen = look(size, blocks, async (path) => await seenByGrub(tools, path));
      grub.set(key, seen);
      return seen;
    },
    ext4: (disk, partition, size, files) => {
      const key = `${partition} ${disk.sum(partition)} ${size} ${files.join(" ")}`;
      const known = ext4.get(key);
      if (known) return known;
      const { start } = disk.layout.partitions[partition];
      const blocks = disk
        .blocks({ start, size }, Object.values(disk.layout.images))
        .map(({ offset, data }) => ({ offset: offset - start, data }));
      const seen = look(size, blocks, async (path) => await lookIntoExt4(runProgram, path, files));
      ext4.set(key, seen);
      return seen;
    },
  };
}

/** @param disk path of a raw disk */
export async function seenByGrub(tools: Tools, disk: string): Promise<GrubView> {
  const view = {} as Record<ImageName, readonly Extent[]>;
  for (const [name, file] of Object.entries(IMAGE_FILES) as [ImageName, string][]) {
    const number = 1 + DISK_PARTITIONS.indexOf(name === "a" || name === "b" ? "state" : "recovery");
    const look = ownProgram(tools)("bin/grub-fstest", disk, "blocklist", `(loop0,gpt${number})${file}`);
    view[name] = extentsOf((await run(look, ANY_EXIT)).stdout);
  }
  return view;
}

const ANY_EXIT = { okExit: Array.from({ length: 256 }, (_, code) => code), timeoutMs: LIMIT_MS } as const;

type Program = (name: string, ...args: readonly string[]) => [string, ...string[]];

/** A program of the tools tree without a sandbox around it, which would take longer than the program. */
function ownProgram({ root }: Tools): Program {
  const libraries = join(root, "usr/lib/x86_64-linux-gnu");
  const loader = join(libraries, "ld-linux-x86-64.so.2");
  return (name, ...args) => [loader, "--library-path", libraries, join(root, "usr", name), ...args];
}

type RunProgram = (stdin: string | undefined, ...words: Parameters<Program>) => Promise<RunResult>;

async function lookIntoExt4(runProgram: RunProgram, path: string, files: readonly string[]): Promise<Ext4View> {
  const preen = await runProgram(undefined, "sbin/e2fsck", "-p", path);
  const check = await runProgram(undefined, "sbin/e2fsck", "-f", "-n", path);
  const found = new Map<string, Buffer | undefined>();
  const out = `${path}.files`;
  if (files.length > 0) {
    await mkdir(out);
    const requests = files.map((file, i) => `dump "${file}" "${out}/${i}"\n`).join("");
    await runProgram(requests, "sbin/debugfs", "-f", "-", path);
    for (const [i, file] of files.entries()) {
      // debugfs makes an empty file where there is none to dump.
      const content = await readFile(`${out}/${i}`).catch(() => undefined);
      found.set(file, content && content.length > 0 ? content : undefined);
    }
    await rm(out, { recursive: true });
  }
  return {
    mends: preen.exitCode === 0 || preen.exitCode === 1,
    clean: check.exitCode === 0,
    said: [preen, check].map(({ stdout, stderr }) => `${stdout}${stderr}`.trim()).join("\n"),
    files: found,
  };
}

/** `28672+16384,…`: start and length in sectors of 512 bytes, counted from the start of the partition. */
const extentsOf = (text: string): Extent[] =>
  [...text.matchAll(/(\d+)\+(\d+)/g)].map(([, start, length]) => ({ start: Number(start) * 512, size: Number(length) * 512 }));

/** A file of that size which is zero but for the blocks. */
export async function writeSparse(path: string, size: Bytes, blocks: readonly Piece[]): Promise<void> {
  await using file = await open(path, "w");
  await file.truncate(size);
  const order = blocks.toSorted((a, b) => a.offset - b.offset);
  for (let first = 0; first < order.length;) {
    const { offset } = order[first]!;
    let length = 0;
    let next = first;
    while (next < order.length && order[next]!.offset === offset + length) length += order[next++]!.data.length;
    await file.writev(
      order.slice(first, next).map(({ data }) => data),
      offset,
    );
    first = next;
  }
}

export type Turns = <T>(body: () => Promise<T>) => Promise<T>;

/** At most so many bodies run at the same time; the others wait for their turn. */
export function semaphore(most: number): Turns {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (body) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    running++;
    try {
      return await body();
    } finally {
      running--;
      waiting.shift()?.();
    }
  };
}
