import { open } from "node:fs/promises";
import { join } from "node:path";

/** A folder whose sockets have a short path, however long its own is. */
export interface SocketFolder extends AsyncDisposable {
  /** Where a file of the folder is, as long as the scope lasts. */
  readonly at: (name: string) => string;
}

/**
 * A socket's path may have 107 bytes (unix(7)), and a folder's may be longer: so the folder is opened, and its files are reached through
 * `/proc/self/fd`.
 *
 * @throws NodeJS.ErrnoException `ENOENT` …
 */
export async function socketFolder(path: string): Promise<SocketFolder> {
  const folder = await open(path, "r");
  return {
    at: (name) => join("/proc/self/fd", String(folder.fd), name),
    [Symbol.asyncDispose]: async () => await folder.close(),
  };
}
