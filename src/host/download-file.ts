/** A file from the web that goes where a config says: never half of it. */
import { createHash } from "node:crypto";
import { chown, lstat, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError } from "../core/error.ts";
import { formatSize, GiB, MiB, type Bytes } from "../core/units.ts";
import { fileExists, sha256File } from "./files.ts";
import { syncDirectory } from "./replace-file.ts";
import { withoutSecrets } from "./url-text.ts";
import { webAnswer } from "./web-answer.ts";

export interface Download {
  /** Secret. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Hex: a file that has it already is not fetched. */
  readonly sha256?: string;
  readonly path: string;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number };
  /** It goes through memory: at most 16 MiB. */
  readonly isSmall?: boolean;
}

/** A server that sends nothing for so long has stopped. */
const STALL_MS = 60_000;
const LARGEST: Bytes = 4 * GiB;
const SMALL: Bytes = 16 * MiB;

/**
 * A new name appears, or the old file is replaced, once all bytes are there and are the right ones.
 *
 * @throws AppError `DOWNLOAD_FAILED`, `DOWNLOAD_OTHER`, `DOWNLOAD_UNSAFE` where somebody else could put a link in the way; NodeJS.ErrnoException
 */
export async function downloadFile(file: Download, signal: AbortSignal): Promise<void> {
  const { sha256, path } = file;
  const unsafe = await sharedFolder(path);
  if (unsafe !== undefined) throw new AppError("DOWNLOAD_UNSAFE", `${path} is not fetched: ${unsafe} is not root's alone`);
  const isThere = sha256 !== undefined && (await fileExists(path)) && (await sha256File(path, signal)) === sha256;
  const fresh = `${path}.petrify-new`;
  if (!isThere) {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await rm(fresh, { force: true });
    try {
      const digest = await fetchInto(fresh, file, signal);
      if (sha256 !== undefined && digest !== sha256)
        throw new AppError("DOWNLOAD_OTHER", `${withoutSecrets(file.url)} is another file: its SHA-256 is ${digest}`);
      await finish(fresh, file);
      await rename(fresh, path);
    } catch (error) {
      await rm(fresh, { force: true });
      throw error;
    }
    return await syncDirectory(dirname(path));
  }
  await finish(path, file);
}

async function finish(path: string, { mode, owner }: Pick<Download, "mode" | "owner">): Promise<void> {
  await chown(path, owner.uid, owner.gid);
  await using file = await open(path, "r");
  await file.chmod(mode); // chown drops bits
  await file.sync();
}

/** Whether somebody else could put a link in the way, and so send the file anywhere. */
export const isUnsafe = async (path: string): Promise<boolean> => (await sharedFolder(path)) !== undefined;

async function sharedFolder(path: string): Promise<string | undefined> {
  const parts = path.split("/").slice(1, -1);
  for (const [index] of parts.entries()) {
    const folder = `/${parts.slice(0, index + 1).join("/")}`;
    const info = await lstat(folder).catch(() => undefined);
    if (!info) return undefined;
    if (!info.isDirectory() || info.uid !== 0 || (info.mode & 0o022) !== 0) return folder;
  }
  return undefined;
}

/** @returns its SHA-256 */
async function fetchInto(
  path: string,
  { url, headers = {}, isSmall = false }: Pick<Download, "url" | "headers" | "isSmall">,
  signal: AbortSignal,
): Promise<string> {
  const largest = isSmall ? SMALL : LARGEST;
  const stop = new AbortController();
  const stalled = setTimeout(() => stop.abort(new Error("the server sends nothing any more")), STALL_MS);
  try {
    const response = await webAnswer(url, { headers, signal: AbortSignal.any([signal, stop.signal]) });
    const hash = createHash("sha256");
    await using file = await open(path, "wx", 0o600);
    let size = 0;
    for await (const chunk of response.body ?? []) {
      stalled.refresh();
      size += chunk.length;
      if (size > largest) throw new Error(`it has more than ${formatSize(largest)}`);
      hash.update(chunk);
      await file.write(chunk);
    }
    return hash.digest("hex");
  } catch (cause) {
    signal.throwIfAborted();
    const why = stop.signal.aborted ? (stop.signal.reason as Error) : (cause as Error);
    const below = (why.cause as NodeJS.ErrnoException | undefined)?.code;
    throw new AppError("DOWNLOAD_FAILED", `${withoutSecrets(url)} cannot be fetched: ${below ?? why.message}`, { cause });
  } finally {
    clearTimeout(stalled);
  }
}
