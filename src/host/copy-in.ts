/** What somebody else sends as a file or a folder, kept under a name of one's own: nothing that he sends is written anywhere else. */
import { createHash, type Hash } from "node:crypto";
import { chmod, lutimes, mkdir, mkdtemp, open, rename, rm, symlink, utimes, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Bytes } from "../core/units.ts";
import { syncDirectory } from "./replace-file.ts";

export interface ReceivedEntry {
  /** In what is copied: `a/b`; empty for itself. */
  readonly path: string;
  readonly kind: "file" | "folder" | "link";
  readonly mode: number;
  /** Seconds since 1970. */
  readonly modified: number;
  readonly target: string;
  /** Bytes at its start that do not come again. */
  readonly offset: Bytes;
}

/** Somebody sends what cannot be a copy, or not what he says it is. */
export class NoCopy extends Error {
  override readonly name = "NoCopy";
}

export interface CopyIn extends AsyncDisposable {
  /** @throws NoCopy, NodeJS.ErrnoException */
  readonly entry: (entry: ReceivedEntry) => Promise<void>;
  readonly data: (bytes: Uint8Array) => Promise<void>;
  /** @param sha256 of the whole file, as the other side has read it @throws NoCopy where another one has come */
  readonly end: (sha256: Uint8Array) => Promise<void>;
  /** Bytes of the present file that are there. */
  readonly received: () => Bytes;
  /** Puts it where it belongs: until then nothing is there. What was there is replaced only where both are files. */
  readonly finish: () => Promise<void>;
}

/** Owners are other ones here, so nobody's set-uid is kept. */
const PERMISSIONS = 0o777;
const LONGEST_NAME = 255;

interface OpenFile {
  readonly entry: ReceivedEntry;
  readonly at: string;
  readonly handle: FileHandle;
  readonly hash: Hash;
  received: Bytes;
}

/**
 * In a folder of its own beside the target, which nobody else has put a link into; links that are sent are made last.
 *
 * @throws NodeJS.ErrnoException
 */
export async function copyIn(target: string): Promise<CopyIn> {
  const work = await mkdtemp(join(dirname(target), `.${basename(target)}.`));
  const top = join(work, "copy");
  /** What was sent so far, by path. */
  const kinds = new Map<string, ReceivedEntry["kind"]>();
  const folders: ReceivedEntry[] = [];
  const links: ReceivedEntry[] = [];
  let file: OpenFile | undefined;
  const placeOf = (path: string): string => (path === "" ? top : join(top, path));

  const check = ({ path, kind }: ReceivedEntry): void => {
    if (path === "") {
      if (kinds.size > 0) throw new NoCopy("it begins twice");
      if (kind === "link") throw new NoCopy("it is a link");
      return;
    }
    const parts = path.split("/");
    const isName = (part: string): boolean =>
      part !== "" && part !== "." && part !== ".." && !part.includes("\0") && Buffer.byteLength(part) <= LONGEST_NAME;
    if (!parts.every(isName)) throw new NoCopy(`no file can be called ${JSON.stringify(path.slice(0, 200))}`);
    if (kinds.get(parts.slice(0, -1).join("/")) !== "folder") throw new NoCopy(`${path} is in no folder`);
    if (kinds.has(path)) throw new NoCopy(`${path} comes twice`);
  };
  const close = async (): Promise<void> => {
    const before = file;
    file = undefined;
    await before?.handle.close();
  };

  return {
    received: () => file?.received ?? 0,
    entry: async (entry) => {
      const { path, kind, offset } = entry;
      if (file && file.entry.path === path && kind === "file") {
        if (offset === file.received) return; // it goes on
        if (offset !== 0) throw new NoCopy(`${path} goes on elsewhere`);
        await close();
        await rm(placeOf(path), { force: true });
      } else if (file) throw new NoCopy(`${file.entry.path || "the file"} has no end`);
      else {
        check(entry);
        if (offset !== 0) throw new NoCopy(`${path} begins in its middle`);
      }
      kinds.set(path, kind);
      if (kind === "link") links.push(entry);
      else if (kind === "folder") {
        folders.push(entry);
        await mkdir(placeOf(path), { mode: 0o700 });
      } else {
        const at = placeOf(path);
        file = { entry, at, handle: await open(at, "wx", 0o600), hash: createHash("sha256"), received: 0 };
      }
    },
    data: async (bytes) => {
      if (!file) throw new NoCopy("bytes come that are of no file");
      await file.handle.writeFile(bytes);
      file.hash.update(bytes);
      file.received += bytes.length;
    },
    end: async (sha256) => {
      if (!file) throw new NoCopy("a file ends that has not begun");
      const { entry, handle, hash } = file;
      if (!hash.digest().equals(sha256)) throw new NoCopy(`${entry.path || "the file"} has other bytes here than there`);
      await handle.sync();
      await handle.chmod(entry.mode & PERMISSIONS);
      await handle.utimes(entry.modified, entry.modified);
      await close();
    },
    finish: async () => {
      if (file || !kinds.has("")) throw new NoCopy("it is not whole");
      for (const { path, target: to, modified } of links) {
        await symlink(to, placeOf(path));
        await lutimes(placeOf(path), modified, modified);
      }
      // Whatever is put into a folder changes its time, and into some nothing can be put any more.
      for (const { path, mode, modified } of folders.toReversed()) {
        await syncDirectory(placeOf(path));
        await chmod(placeOf(path), mode & PERMISSIONS);
        await utimes(placeOf(path), modified, modified);
      }
      await rename(top, target);
      await syncDirectory(dirname(target));
    },
    [Symbol.asyncDispose]: async () => {
      await close();
      for (const { path } of folders) await chmod(placeOf(path), 0o700).catch(() => {});
      await rm(work, { recursive: true, force: true });
    },
  };
}
