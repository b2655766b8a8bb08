import { createHash } from "node:crypto";
import { constants, type Dir, type Stats } from "node:fs";
import { lstat, open, opendir, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { Bytes } from "../core/units.ts";
import { stepsBelow } from "../layout/persistent-folder.ts";
import type { DigestOf, FileFacts, LayerEntry } from "../layout/persistent-diff.ts";

/** Where a persistent folder and its layers are. */
export interface Layers {
  /** As programs see it; what {@link LayerEntry.path} starts with. */
  readonly path: string;
  /** The same on this machine. */
  readonly merged: string;
  readonly upper: string;
  /** The image's. */
  readonly lower: string;
}

export interface WalkOptions {
  /** Every entry below a folder that only one layer has; default: the folder stands for them. */
  readonly all?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called for what cannot be read: it is passed over. */
  readonly unreadable: (path: string, reason: string) => void;
}

/** How many files are asked for at once. */
const BATCH = 64;
const CHUNK: Bytes = 1024 ** 2;
/** What has vanished, or become something else, while we looked: somebody else is at work there. */
const VANISHED = ["ENOENT", "ENOTDIR", "ELOOP"];

/**
 * What the upper layer has to say about a path and everything below it, in no order.
 *
 * It holds as many names in memory as folders are deep. Links are not followed, and files that vanish meanwhile are none.
 *
 * @param from the persistent folder or a path in it
 */
export async function* layerEntries(layers: Layers, from: string, options: WalkOptions): AsyncGenerator<LayerEntry> {
  const { signal } = options;
  const rest = from.slice(layers.path.length);
  const [upper, image] = [await factsBelow(layers.upper, rest), await factsBelow(layers.lower, rest)];
  const folders: { rest: string; inImage: boolean }[] = [];
  const visit = async (at: string, above: FileFacts, below: FileFacts | undefined): Promise<LayerEntry> => {
    const path = layers.path + at;
    if (above.special === WHITEOUT) {
      return { path, upper: "whiteout", image: below, ...(await hidden(at, below)) };
    }
    if (above.kind !== "folder") return { path, upper: above, image: below };
    if (!below && !options.all)
      return { path, upper: above, image: below, below: await count(layers.upper, at, layers.path, options) };
    folders.push({ rest: at, inImage: below?.kind === "folder" });
    return { path, upper: above, image: below };
  };
  /** What the image's folder would show, counted: nobody can list what cannot be seen one by one. */
  const hidden = async (at: string, below: FileFacts | undefined): Promise<Pick<LayerEntry, "below">> => {
    if (below?.kind !== "folder") return {};
    const { entries } = await count(layers.lower, at, layers.path, options);
    return { below: { entries, stored: 0 } };
  };

  if (upper) yield await visit(rest, upper, image);
  else if (image && !(await factsBelow(layers.merged, rest))) {
    yield { path: from, upper, image, ...(await hidden(rest, image)) };
  }
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    signal?.throwIfAborted();
    const { rest: at, inImage } = folder;
    const readable = within(options, layers.path + at);
    for await (const [name, above] of children(join(layers.upper, at), readable)) {
      yield await visit(`${at}/${name}`, above, inImage ? await facts(join(layers.lower, at, name)) : undefined);
    }
    if (!inImage) continue;
    // A folder that was made anew hides what the image has there: nothing in the upper layer names it, and the merged folder lacks it.
    for await (const [name, below] of children(join(layers.lower, at), readable)) {
      const child = `${at}/${name}`;
      if ((await facts(join(layers.merged, child))) || (await facts(join(layers.upper, child)))) continue;
      yield { path: layers.path + child, upper: undefined, image: below, ...(await hidden(child, below)) };
    }
  }
}

/**
 * Digests of one entry's file in each layer, computed when they are asked for, once.
 *
 * Calls throw as {@link digestFile} does.
 */
export function digestsOf(layers: Layers, path: string, signal?: AbortSignal): DigestOf {
  const rest = path.slice(layers.path.length);
  const known = new Map<string, Promise<string>>();
  return async (layer) => {
    const digest = known.get(layer) ?? digestFile(join(layer === "upper" ? layers.upper : layers.lower, rest), signal);
    known.set(layer, digest);
    return await digest;
  };
}

/**
 * SHA-256 (hex) of a regular file, streamed; a link is not followed, and a pipe not waited for.
 *
 * @throws NodeJS.ErrnoException; `ENOENT` also for what is no regular file (any more)
 */
async function digestFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if (!(await file.stat()).isFile()) throw Object.assign(new Error(`${path} is no file any more`), { code: "ENOENT" });
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, CHUNK, null);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(buffer.subarray(0, bytesRead));
  }
}

export const hasVanished = (error: unknown): boolean => VANISHED.includes((error as NodeJS.ErrnoException).code ?? "");

/** What is at a path below a folder, the way there being folders and no links; `rest` is empty or starts with `/`. */
export async function factsBelow(folder: string, rest: string): Promise<FileFacts | undefined> {
  let found = await facts(folder);
  for (const step of stepsBelow(rest, "")) {
    if (found?.kind !== "folder") return undefined;
    found = await facts(folder + step);
  }
  return found;
}

/** Everything below a folder of one layer. */
async function count(
  layer: string,
  from: string,
  path: string,
  options: WalkOptions,
): Promise<{ entries: number; stored: Bytes }> {
  const total = { entries: 0, stored: 0 };
  const folders = [from];
  for (let at = folders.pop(); at !== undefined; at = folders.pop()) {
    for await (const [name, { kind, stored }] of children(join(layer, at), within(options, path + at))) {
      total.entries++;
      total.stored += stored;
      if (kind === "folder") folders.push(`${at}/${name}`);
    }
  }
  return total;
}

/** The same options for the names in a folder; "" is the folder itself. */
const within = ({ signal, unreadable }: WalkOptions, folder: string): WalkOptions => ({
  signal,
  unreadable: (name, reason) => unreadable(name === "" ? folder : `${folder}/${name}`, reason),
});

async function* children(folder: string, { signal, unreadable }: WalkOptions): AsyncGenerator<[name: string, FileFacts]> {
  let names: string[] = [];
  const found = async (): Promise<[string, FileFacts][]> => {
    signal?.throwIfAborted();
    const asked = names;
    names = [];
    const answers = await Promise.all(
      asked.map(async (name): Promise<[string, FileFacts][]> => {
        try {
          const known = await facts(join(folder, name));
          if (known) return [[name, known]];
          if (name.includes("\uFFFD")) unreadable(name, "its name is not UTF-8");
        } catch (error) {
          unreadable(name, reasonOf(error));
        }
        return [];
      }),
    );
    return answers.flat();
  };
  let dir: Dir;
  try {
    dir = await opendir(folder, { bufferSize: BATCH });
  } catch (error) {
    if (!hasVanished(error)) unreadable("", reasonOf(error));
    return;
  }
  try {
    for await (const { name } of dir) {
      names.push(name);
      if (names.length === BATCH) yield* await found();
    }
  } catch (error) {
    signal?.throwIfAborted();
    unreadable("", reasonOf(error));
  }
  yield* await found();
}

export const reasonOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

/** `undefined` where there is nothing (any more). */
async function facts(path: string): Promise<FileFacts | undefined> {
  try {
    const status = await lstat(path);
    const { mode, uid, gid, size, blocks } = status;
    const kind = status.isFile() ? "file" : status.isDirectory() ? "folder" : status.isSymbolicLink() ? "link" : "other";
    return {
      ...{ kind, mode: mode & 0o7777, uid, gid, size, stored: blocks * STAT_BLOCK },
      ...(kind === "link" ? { target: await readlink(path) } : {}),
      ...(kind === "other" ? { special: specialOf(status) } : {}),
    };
  } catch (error) {
    if (hasVanished(error)) return undefined;
    throw error;
  }
}
/** Unit of `st_blocks`. */
const STAT_BLOCK: Bytes = 512;
/** A character device 0:0. Source: Linux, Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories" */
const WHITEOUT = "character device 0:0";

function specialOf(status: Stats): string {
  if (status.isFIFO()) return "pipe";
  if (status.isSocket()) return "socket";
  const major = (status.rdev >> 8) & 0xfff; // Source: makedev(3), as far as the kernel goes
  const minor = (status.rdev & 0xff) | ((status.rdev >> 12) & 0xfff00);
  return `${status.isBlockDevice() ? "block" : "character"} device ${major}:${minor}`;
}
