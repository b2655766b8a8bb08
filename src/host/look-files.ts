/** Files of a running machine, for somebody who is elsewhere: nothing is opened but plain files, and no answer is without bounds. */
import { constants } from "node:fs";
import { lstat, open, opendir, readlink, realpath, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Stats } from "node:fs";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";

export interface FolderEntry {
  /** In its folder; of a path that is no folder its own. */
  readonly name: string;
  readonly kind: "file" | "folder" | "link" | "device" | "pipe" | "socket";
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: Bytes;
  /** Seconds since 1970. */
  readonly modified: number;
  readonly target?: string;
}

/** What a folder holds, in the order of its file system; what goes meanwhile is passed over. @throws AppError as {@link pathError} */
export async function* folderEntries(path: string): AsyncGenerator<FolderEntry> {
  const info = await lstat(path).catch(pathError(path));
  if (!info.isDirectory()) return yield await entryOf(path, path.slice(path.lastIndexOf("/") + 1), info);
  for await (const { name } of await opendir(path).catch(pathError(path))) {
    const found = await lstat(join(path, name)).catch(() => undefined);
    if (found) yield await entryOf(join(path, name), name, found);
  }
}

async function entryOf(path: string, name: string, info: Stats): Promise<FolderEntry> {
  const kind = kindOf(info);
  const target = kind === "link" ? await readlink(path).catch(() => undefined) : undefined;
  const { uid, gid, size, mtimeMs, mode } = info;
  return {
    ...{ name, kind, mode: mode & 0o7777, uid, gid, size, modified: mtimeMs / 1000 },
    ...(target === undefined ? {} : { target }),
  };
}

function kindOf(info: Stats): FolderEntry["kind"] {
  if (info.isFile()) return "file";
  if (info.isDirectory()) return "folder";
  if (info.isSymbolicLink()) return "link";
  if (info.isFIFO()) return "pipe";
  return info.isSocket() ? "socket" : "device";
}

/** Of a walk over a folder. */
export interface FolderUse {
  /** By what lies directly in the folder; of what is no folder, itself. */
  readonly parts: readonly { readonly name: string; readonly bytes: Bytes; readonly files: number }[];
  /** Nobody has looked further than that. */
  readonly isCut: boolean;
}

/**
 * Room that a folder takes on its own file system, by what lies directly in it. A file with two names counts once.
 *
 * @param most files that are looked at @throws AppError as {@link pathError}; the signal's reason
 */
export async function folderUse(path: string, most: number, signal: AbortSignal): Promise<FolderUse> {
  const top = await lstat(path).catch(pathError(path));
  const seen = new Set<string>();
  const parts = new Map<string, { bytes: Bytes; files: number }>();
  let left = most;
  const add = (part: string, info: Stats): void => {
    const named = `${info.dev}:${info.ino}`;
    if (info.nlink > 1 && !info.isDirectory()) {
      if (seen.has(named)) return;
      seen.add(named);
    }
    const sum = parts.get(part) ?? { bytes: 0, files: 0 };
    parts.set(part, { bytes: sum.bytes + info.blocks * BLOCK, files: sum.files + 1 });
  };
  const walk = async (folder: string, part: string | undefined): Promise<void> => {
    for await (const { name } of await opendir(folder)) {
      signal.throwIfAborted();
      if (--left < 0) return;
      const at = join(folder, name);
      const info = await lstat(at).catch(() => undefined);
      if (info?.dev !== top.dev) continue;
      add(part ?? name, info);
      if (info.isDirectory()) await walk(at, part ?? name).catch(ignoreGone);
    }
  };
  if (top.isDirectory()) await walk(path, undefined).catch(pathError(path));
  else add(path, top);
  return { parts: [...parts].map(([name, sum]) => ({ name, ...sum })), isCut: left < 0 };
}

/** Bytes; whatever the file system's own are. Source: stat(2), st_blocks */
const BLOCK = 512;

const ignoreGone = (error: unknown): void => {
  if (!["ENOENT", "EACCES", "ENOTDIR", "ENAMETOOLONG"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
};

export interface FileRange {
  /** Bytes from the start that are left out. */
  readonly from: Bytes;
  readonly most: Bytes;
}

const CHUNK: Bytes = 64 * 1024;

/**
 * A plain file's bytes, as they are asked for; the first chunk has its start where nothing is left out.
 *
 * @param allow called with the path that was really opened, and with the file's first bytes: throws for what is not to be read
 * @throws AppError as {@link pathError}, `NO_PLAIN_FILE`; what `allow` throws
 */
export async function* readFileRange(path: string, range: FileRange, allow: AllowFile): AsyncGenerator<Uint8Array> {
  await using file = await openPlainFile(path, allow);
  yield* bytesOf(file, range);
}

/** Throws for what is not to be read. @param path with every link followed @param head the file's first bytes, once they are known */
export type AllowFile = (path: string, head: Uint8Array | undefined) => void;

/** @throws AppError as {@link readFileRange} */
export async function openPlainFile(path: string, allow: AllowFile): Promise<FileHandle> {
  const real = await realpath(path).catch(pathError(path));
  allow(real, undefined);
  // To open a device can do something by itself: a watchdog starts to wait.
  if (!(await lstat(real).catch(pathError(path))).isFile()) throw noFile(path);
  const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(pathError(path));
  try {
    if (!(await file.stat()).isFile()) throw noFile(path);
    // Somebody may have put another one there meanwhile.
    allow(await readlink(`/proc/self/fd/${file.fd}`), undefined);
    const head = new Uint8Array(CHUNK);
    const { bytesRead: known } = await file.read(head, 0, CHUNK, 0);
    allow(real, head.subarray(0, known));
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Of a file that is open, as they are asked for. */
export async function* bytesOf(file: FileHandle, { from, most }: FileRange): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK);
  for (let at = from, left = most; left > 0;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK, left), at);
    if (bytesRead === 0) return;
    yield buffer.slice(0, bytesRead);
    at += bytesRead;
    left -= bytesRead;
  }
}

const noFile = (path: string): AppError => new AppError("NO_PLAIN_FILE", `${path} is no plain file`);

/** @throws AppError `PATH_NOT_FOUND`, `PATH_REFUSED`; the error itself where it is another one */
export const pathError =
  (path: string) =>
  (cause: unknown): never => {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw new AppError("PATH_NOT_FOUND", `there is no ${path}`, { cause });
    if (code === "EACCES" || code === "EPERM") throw new AppError("PATH_REFUSED", `${path} is closed to the API`, { cause });
    if (code === "ELOOP" || code === "ENAMETOOLONG") throw new AppError("PATH_NOT_FOUND", `${path} leads nowhere`, { cause });
    throw cause;
  };
