/** A file or a folder of a running machine, piece by piece, for somebody who is elsewhere and may have to go on after a lost connection. */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { lstat, readdir, readlink, realpath, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { bytesOf, openPlainFile, pathError, type AllowFile } from "./look-files.ts";

export interface CopyEntry {
  /** In what is copied: `a/b`; empty for itself. */
  readonly path: string;
  readonly kind: "file" | "folder" | "link";
  /** Permission bits. */
  readonly mode: number;
  /** Seconds since 1970. */
  readonly modified: number;
  readonly size: Bytes;
  readonly target: string;
  /** Changes when a file does. */
  readonly version: string;
  /** Bytes at its start that are left out. */
  readonly offset: Bytes;
}
export type CopyNews =
  | { readonly entry: CopyEntry }
  | { readonly data: Uint8Array }
  /** Of all of the file's bytes. */
  | { readonly end: { readonly sha256: Uint8Array } }
  | { readonly leftOut: { readonly path: string; readonly reason: string } };

/** How far somebody has come who goes on. */
export interface CopyPlace {
  /** What was copied last as a whole. */
  readonly after?: string | undefined;
  readonly part?: { readonly path: string; readonly offset: Bytes; readonly version: string } | undefined;
}

/** Files of the kernel's own say no size. */
const MOST_UNSIZED: Bytes = 64 * MiB;
const ATTEMPTS = 3;

/**
 * In the order of paths: names by their characters' numbers, a folder before what is in it. Links in a folder are told, not followed; so is what cannot be
 * copied, unless it is what was asked for.
 *
 * @param allow as of readFileRange @throws AppError as readFileRange; `FILE_CHANGING`; the signal's reason
 */
export async function* copyOut(path: string, place: CopyPlace, allow: AllowFile, signal: AbortSignal): AsyncGenerator<CopyNews> {
  const real = await realpath(path).catch(pathError(path));
  allow(real, undefined);
  const info = await lstat(real, { bigint: true }).catch(pathError(path));
  if (!info.isDirectory()) return yield* fileNews(real, "", place, allow, signal);
  if (place.after === undefined) yield { entry: entryOf("", "folder", info) };
  yield* folderNews(real, "", { place, allow, signal, device: info.dev });
}

interface Walk {
  readonly place: CopyPlace;
  readonly allow: AllowFile;
  readonly signal: AbortSignal;
  /** What is mounted in a folder is not of it. */
  readonly device: bigint;
}

async function* folderNews(folder: string, above: string, walk: Walk): AsyncGenerator<CopyNews> {
  const { place, allow, signal, device } = walk;
  for (const name of (await readdir(folder)).toSorted(byNumbers)) {
    signal.throwIfAborted();
    const [path, at] = [above === "" ? name : `${above}/${name}`, join(folder, name)];
    const isDone = place.after !== undefined && comparePaths(path, place.after) <= 0;
    if (isDone && !`${place.after}/`.startsWith(`${path}/`)) continue;
    try {
      const info = await lstat(at, { bigint: true }).catch(pathError(at));
      if (info.isDirectory()) {
        allow(at, undefined);
        if (info.dev !== device) throw new AppError("OTHER_FILE_SYSTEM", `${at} is another file system`);
        if (!isDone) yield { entry: entryOf(path, "folder", info) };
        yield* folderNews(at, path, walk);
      } else if (isDone) continue;
      else if (info.isSymbolicLink()) {
        yield { entry: { ...entryOf(path, "link", info), target: await readlink(at).catch(pathError(at)) } };
      } else yield* fileNews(at, path, place, allow, signal);
    } catch (error) {
      // What it is about is known: one of many that goes, or is closed, does not end the others.
      if (!(error instanceof AppError) || error.code === "FILE_CHANGING") throw error;
      yield { leftOut: { path, reason: error.message } };
    }
  }
}

/** Nothing of a file is told before it is known that it may be. */
async function* fileNews(
  at: string,
  path: string,
  { part }: CopyPlace,
  allow: AllowFile,
  signal: AbortSignal,
): AsyncGenerator<CopyNews> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await using file = await openPlainFile(at, allow);
    const info = await file.stat({ bigint: true });
    const entry = entryOf(path, "file", info);
    const isSame = attempt === 0 && part?.path === path && part.version === entry.version && part.offset <= entry.size;
    const from = isSame ? part.offset : 0;
    const most = entry.size > 0 ? entry.size : MOST_UNSIZED;
    const hash = createHash("sha256");
    for await (const data of bytesOf(file, { from: 0, most: from })) hash.update(data);
    yield { entry: { ...entry, offset: from } };
    let read = from;
    for await (const data of bytesOf(file, { from, most: most - from })) {
      signal.throwIfAborted();
      hash.update(data);
      read += data.length;
      yield { data };
    }
    const sha256 = new Uint8Array(hash.digest());
    if (entry.size === 0 || (read === entry.size && (await isStill(file, entry, sha256)))) return yield { end: { sha256 } };
  }
  throw new AppError("FILE_CHANGING", `${at} changes while it is read, each time`, {
    hint: "Stop what writes to it, or try again.",
  });
}

/** What was only added to, such as a log, is still what it was as far as it was read. */
async function isStill(file: FileHandle, { version, size }: CopyEntry, sha256: Uint8Array): Promise<boolean> {
  if (versionOf(await file.stat({ bigint: true })) === version) return true;
  const hash = createHash("sha256");
  for await (const data of bytesOf(file, { from: 0, most: size })) hash.update(data);
  return hash.digest().equals(sha256);
}

const versionOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].map((number) => number.toString(36)).join("-");

const entryOf = (path: string, kind: CopyEntry["kind"], info: BigIntStats): CopyEntry => ({
  ...{ path, kind, mode: Number(info.mode & 0o7777n), modified: Number(info.mtimeNs / 1_000_000n) / 1000 },
  ...{ size: kind === "file" ? Number(info.size) : 0, target: "", version: kind === "file" ? versionOf(info) : "", offset: 0 },
});

const byNumbers = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** As {@link copyOut} has them: part by part. */
export function comparePaths(one: string, other: string): number {
  const [parts, others] = [one.split("/"), other.split("/")];
  for (const [index, part] of parts.entries()) {
    const against = others[index];
    if (against === undefined) return 1;
    const order = byNumbers(part, against);
    if (order !== 0) return order;
  }
  return parts.length - others.length;
}
