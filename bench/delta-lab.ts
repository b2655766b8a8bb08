/** Where tools that make updates small are measured: each in an empty folder, by one clock and one scale. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../src/core/error.ts";
import { fileSize, makeFolder, readText, sha256File, walk } from "../src/host/files.ts";
import { run, type RunOptions } from "../src/host/run.ts";
import type { Tools, ToolsRunOptions } from "../src/host/tools.ts";
import type { Bytes } from "../src/core/units.ts";
import { remove, type BenchContext } from "./context.ts";

/** Of one program or several. */
export interface Cost {
  readonly seconds: number;
  /** Most that one process of it had in memory. */
  readonly memory: Bytes;
  /** To files, whole pages. */
  readonly written: Bytes;
}
/** What one tool needs for an update. */
export interface DeltaFigures {
  readonly tool: string;
  /** To be downloaded by a machine that has the old image. */
  readonly bytes: Bytes;
  readonly make?: Cost;
  readonly apply?: Cost;
}

type Argv = readonly [string, ...string[]];
export interface Lab extends AsyncDisposable {
  /** Of this measurement alone. */
  readonly folder: string;
  readonly path: (name: string) => string;
  /** Runs a program of the peers. */
  readonly run: (argv: Argv, options?: Pick<ToolsRunOptions, "network" | "cwd">) => Promise<string>;
  readonly measure: (argv: Argv, options?: Pick<ToolsRunOptions, "network" | "cwd">) => Promise<Cost>;
  /** The same of a program of this host, given with its full path. */
  readonly measureHere: (argv: Argv, options?: Pick<RunOptions, "stdin" | "env" | "onLine">) => Promise<Cost>;
}

/** @param name of its folder, which is emptied before, and removed with the lab */
export async function openLab(name: string, peers: Tools, context: BenchContext): Promise<Lab> {
  const { folder: top, signal } = context;
  const folder = join(top, "deltas/work", name);
  await remove(context, folder);
  await makeFolder(folder);
  const path = (file: string): string => join(folder, file);
  await makeFolder(path("tmp"));
  const binds = [
    { source: join(top, "deltas"), writable: true },
    { source: path("tmp"), target: "/var/tmp", writable: true },
  ];
  const inside = { binds, anyOwner: true, cwd: folder, signal };
  const time = ["--quiet", "--format=%e %M %O", `--output=${path("time")}`, "--"] as const;
  const cost = async (): Promise<Cost> => parseTime(await readText(path("time")));
  return {
    folder,
    path,
    run: async (argv, options) => (await peers.run(argv, { ...inside, ...options })).stdout,
    measure: async (argv, options) => {
      await peers.run(["time", ...time, ...argv], { ...inside, ...options });
      return await cost();
    },
    measureHere: async (argv, options) => {
      await run([...programOf(peers, "time"), ...time, ...argv], { signal, ...options });
      return await cost();
    },
    [Symbol.asyncDispose]: async () => await remove(context, folder),
  };
}

/** A program of a tree, on this host: through the tree's own loader. */
export function programOf({ root }: Tools, name: string): [string, ...string[]] {
  const libraries = join(root, "usr/lib/x86_64-linux-gnu");
  return [join(libraries, "ld-linux-x86-64.so.2"), "--library-path", libraries, join(root, "usr/bin", name)];
}

/** `%e %M %O` of time(1): seconds, KiB, blocks of 512 bytes. @throws AppError `TIME_UNCLEAR` */
export function parseTime(text: string): Cost {
  const [, seconds, kib, blocks] = /^([\d.]+) (\d+) (\d+)\n$/.exec(text) ?? [];
  if (blocks === undefined) throw new AppError("TIME_UNCLEAR", `time(1) says ${JSON.stringify(text)}`);
  return { seconds: Number(seconds), memory: Number(kib) * 1024, written: Number(blocks) * 512 };
}

/** Programs that run one after the other. */
export const together = (...costs: readonly Cost[]): Cost => ({
  seconds: costs.reduce((sum, { seconds }) => sum + seconds, 0),
  memory: Math.max(...costs.map(({ memory }) => memory)),
  written: costs.reduce((sum, { written }) => sum + written, 0),
});

/** Compares what a tool has made, and removes it. @throws AppError `UPDATE_WRONG` */
export async function isImage(made: string, wanted: string, tool: string): Promise<void> {
  if ((await sha256File(made)) !== (await sha256File(wanted)))
    throw new AppError("UPDATE_WRONG", `${tool} does not come to the new image`);
  await rm(made);
}

/** Files below a folder that are not below another one, and their sizes together. */
export async function sizeOfNew(folder: string, known: string): Promise<Bytes> {
  const files = async (top: string): Promise<string[]> =>
    (await walk(top)).filter(({ kind }) => kind === "file").map(({ path }) => path);
  const before = new Set(await files(known));
  let size = 0;
  for (const path of await files(folder)) if (!before.has(path)) size += await fileSize(join(folder, path));
  return size;
}
