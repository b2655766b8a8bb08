/** A file from the web that goes where a config says: never half of it. */
import { createHash } from "node:crypto";
import { chown, lstat, mkdir, open, rename, rm } from "node:fs/promises";
import { setGlobalProxyFromEnv } from "node:http";
import { dirname } from "node:path";
import { AppError } from "../core/error.ts";
import { formatSize, GiB, MiB, type Bytes } from "../core/units.ts";
import { fileExists, sha256File } from "./files.ts";
import { syncDirectory } from "./replace-file.ts";
import { withoutSecrets } from "./url-text.ts";

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
const MOST_REDIRECTS = 5;

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

/** From now on whatever this process fetches goes by them. @param environment `http_proxy`, `https_proxy`, `no_proxy` */
export function useProxies(environment: Readonly<Record<string, string>>): void {
  setGlobalProxyFromEnv({ ...environment });
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
    const response = await follow(url, headers, AbortSignal.any([signal, stop.signal]));
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

/** Header fields may be secrets: they go to the first server only, and nothing goes from https to http. */
async function follow(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response> {
  let at = new URL(url);
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const own = at.origin === new URL(url).origin ? headers : {};
    const response = await fetch(withoutUser(at), { headers: { ...own, ...userOf(at) }, signal, redirect: "manual" });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || location === null) {
      if (response.ok) return response;
      await response.body?.cancel();
      throw new Error(`the server answers ${response.status}`);
    }
    await response.body?.cancel();
    const to = URL.parse(location, at);
    if (!to || !["http:", "https:"].includes(to.protocol)) throw new Error("it leads to what is no web address");
    if (at.protocol === "https:" && to.protocol === "http:") throw new Error("it leads from https to http");
    at = to;
  }
  throw new Error(`it leads on more than ${MOST_REDIRECTS} times`);
}

/** `fetch` takes no user from a URL. Source: RFC 7617 */
function withoutUser(url: URL): URL {
  const bare = new URL(url);
  bare.username = bare.password = "";
  return bare;
}
function userOf({ username, password }: URL): Readonly<Record<string, string>> {
  if (!username && !password) return {};
  const both = [username, password].map(decodeURIComponent).join(":");
  return { authorization: `Basic ${Buffer.from(both).toString("base64")}` };
}
