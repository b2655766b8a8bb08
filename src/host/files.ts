import { createHash } from "node:crypto";
import { constants, createReadStream, existsSync } from "node:fs";
import {
  access,
  chmod,
  copyFile as copy,
  cp,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";

/** For a look that nothing can wait for. */
export const existsNow = (path: string): boolean => existsSync(path);

export async function fileExists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

export const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true;

/** Bytes. */
export const fileSize = async (path: string): Promise<number> => (await stat(path)).size;

export const makeFolder = async (path: string): Promise<void> => void (await mkdir(path, { recursive: true }));

/** For its owner alone, where it was not there. */
export const makePrivateFolder = async (path: string): Promise<void> =>
  void (await mkdir(path, { recursive: true, mode: 0o700 }));

/** Writes a file and the folders above it; for files in a work folder, where a power cut does not matter. */
export async function writeText(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true }); // never through a link
  await writeFile(path, text);
}

/** Writes a file that others watch: it stays the same one. */
export const writeWatched = async (path: string, text: string): Promise<void> => await writeFile(path, text);

/** Renames a finished file or folder to where others look for it; what another process put there meanwhile stays. */
export async function moveInto(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  try {
    await rename(from, to);
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) return;
    throw error;
  }
}

/** Where a link leads, as it says; nothing for what is no link. */
export const linkTarget = async (path: string): Promise<string | undefined> => await readlink(path).catch(() => undefined);

/** Names of the folders in a folder, sorted; none where there is no such folder. */
export const folderNames = async (path: string): Promise<string[]> =>
  (await readdir(path, { withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted();

/** Names in a folder, sorted. */
export const listFolder = async (path: string): Promise<string[]> => (await readdir(path)).toSorted();

export const readText = async (path: string): Promise<string> => await readFile(path, "utf8");

/** Hex; the file is streamed. @throws the signal's reason when aborted */
export async function sha256File(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 ** 2 })) {
    signal?.throwIfAborted();
    hash.update(chunk as Uint8Array);
  }
  return hash.digest("hex");
}

/** A file's bytes in runs of at most 1 MiB. */
export async function* readRuns(path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path, { highWaterMark: 1024 ** 2, signal }) as AsyncIterable<Uint8Array>;
}

/** The same file under a second name; a copy where the file systems differ. */
export async function linkFile(from: string, to: string): Promise<void> {
  await link(from, to).catch(async (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await copy(from, to);
  });
}

/** A new file of that size that takes no room until it is written to. */
export async function sparseFile(path: string, size: number): Promise<void> {
  await using file = await open(path, "wx");
  await file.truncate(size);
}

/** With every link resolved: the same for every way to one file. */
export const realPath = async (path: string): Promise<string> => await realpath(path);

export const readBytes = async (path: string): Promise<Uint8Array> => await readFile(path);

/** The first bytes of a file, fewer where it is shorter; nothing where there is no file. */
export async function readHead(path: string, length: number): Promise<Uint8Array | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (!file) return undefined;
  try {
    if (!(await file.stat()).isFile()) return undefined;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Why {@link readHead} has nothing of a path, in words. Never throws. */
export async function whyNotRead(path: string): Promise<string> {
  try {
    const info = await stat(path);
    return info.isDirectory() ? "it is a folder" : info.isFile() ? "that is not allowed" : "it is no file";
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? "there is no such file" : message;
  }
}

export type TreeEntry = {
  /** Relative to where the walk began; "" is that place itself. */
  readonly path: string;
} & (
  | { readonly kind: "file" | "folder"; readonly mode: number }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "other" }
);

/** Everything at and below a path, sorted, folders before what they hold; links are not followed. */
export async function walk(from: string, path = ""): Promise<TreeEntry[]> {
  const at = join(from, path);
  const info = await lstat(at);
  if (info.isSymbolicLink()) return [{ path, kind: "link", target: await readlink(at) }];
  const mode = info.mode & 0o7777;
  if (info.isFile()) return [{ path, kind: "file", mode }];
  if (!info.isDirectory()) return [{ path, kind: "other" }];
  const entries: TreeEntry[] = [{ path, kind: "folder", mode }];
  for (const name of await listFolder(at)) entries.push(...(await walk(from, join(path, name))));
  return entries;
}

/** A second file with the same bytes; blocks are shared where the file system can. */
export const copyFile = async (from: string, to: string): Promise<void> => await copy(from, to, constants.COPYFILE_FICLONE);

/** Moves a finished file or folder to where users look for it; it appears there whole, also across file systems. */
export async function placeFile(from: string, to: string): Promise<void> {
  await rename(from, to).catch(async (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    const partial = `${to}.${process.pid}.partial`;
    try {
      await cp(from, partial, { recursive: true });
      await rename(partial, to);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  });
}

/** Replaces a folder of outputs by another one; what was there goes. Between two renames, for a moment, there is none. */
export async function replaceFolder(from: string, to: string): Promise<void> {
  const partial = `${to}.${process.pid}.partial`;
  const old = `${to}.${process.pid}.old`;
  try {
    await mkdir(partial, { recursive: true });
    for (const name of await readdir(from)) await placeFile(`${from}/${name}`, `${partial}/${name}`);
    await rename(to, old).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    });
    await rename(partial, to).catch(async (error: unknown) => {
      await rename(old, to).catch(() => {}); // there may have been none
      throw error;
    });
  } finally {
    for (const path of [partial, old]) await rm(path, { recursive: true, force: true });
  }
}

/** A finished file's bytes are on the disk when this returns. */
export async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.sync();
}

/** Renames a finished folder to a name that must be free. @returns whether it was */
export async function claimName(from: string, to: string): Promise<boolean> {
  await mkdir(dirname(to), { recursive: true });
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

/** Permission bits, whatever the umask. */
export const setMode = async (path: string, mode: number): Promise<void> => await chmod(path, mode);

/** Nobody but the owner may look into a folder. */
export const makePrivate = async (path: string): Promise<void> => await chmod(path, 0o700);

/** Removes a file; one that is not there is as good as removed. */
export const removeFile = async (path: string): Promise<void> => await rm(path, { force: true });

/** With everything in it; nothing where there is none. */
export const removeFolder = async (path: string): Promise<void> => await rm(path, { recursive: true, force: true });
