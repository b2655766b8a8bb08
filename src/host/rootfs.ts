import { chmod, lstat, mkdir, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AppError } from "../core/error.ts";

/**
 * A root file system that lies in a folder of the host: paths are as the system itself would see them, and no link leads out of it.
 *
 * For trees that only we write: a link swapped in between would be followed.
 */
export interface RootFs {
  /** Folder on the host. */
  readonly folder: string;
  /** @throws AppError `FILE_UNFIT` where there is something else than a file */
  read(path: string): Promise<string | undefined>;
  /** Replaces the file (a link at `path` is replaced, not followed) and makes the folders above it. */
  write(path: string, data: string | Uint8Array, mode?: number): Promise<void>;
  link(path: string, target: string): Promise<void>;
  folderAt(path: string, mode?: number): Promise<void>;
  remove(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Names in a folder; none where there is no such folder. */
  list(path: string): Promise<string[]>;
  /** Path on the host with every link resolved inside the tree; the last part need not exist, and is not resolved if `keepLast`. */
  resolve(path: string, options?: { keepLast?: boolean }): Promise<string>;
}

const MAX_LINKS = 40; // as the kernel, MAXSYMLINKS

export function rootFs(folder: string): RootFs {
  const resolve: RootFs["resolve"] = async (path, { keepLast = false } = {}) => {
    const rest = path.split("/").filter(Boolean);
    let done: string[] = [];
    let links = 0;
    while (rest.length > 0) {
      const part = rest.shift()!;
      if (part === ".") continue;
      if (part === "..") {
        done = done.slice(0, -1);
        continue;
      }
      const here = join(folder, ...done, part);
      const isLink = (await lstat(here).catch(() => undefined))?.isSymbolicLink() && !(keepLast && rest.length === 0);
      if (!isLink) {
        done.push(part);
        continue;
      }
      if (++links > MAX_LINKS) throw new AppError("LINK_LOOP", `${path} leads through more than ${MAX_LINKS} links`);
      const target = await readlink(here);
      if (target.startsWith("/")) done = [];
      rest.unshift(...target.split("/").filter(Boolean));
    }
    return join(folder, ...done);
  };
  const place = async (path: string): Promise<string> => {
    const target = await resolve(path, { keepLast: true });
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    return target;
  };
  return {
    folder,
    resolve,
    read: async (path) => {
      try {
        const at = await resolve(path);
        // A pipe would be waited for.
        if (!(await stat(at)).isFile()) throw new AppError("FILE_UNFIT", `${path} of the image is not a file`);
        return await readFile(at, "utf8");
      } catch (error) {
        if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
        throw error;
      }
    },
    write: async (path, data, mode = 0o644) => {
      const target = await place(path);
      await rm(target, { force: true });
      await writeFile(target, data, { mode });
      await chmod(target, mode); // umask trims what writeFile sets
    },
    link: async (path, target) => {
      const at = await place(path);
      await rm(at, { force: true });
      await symlink(target, at);
    },
    folderAt: async (path, mode) => {
      const target = await resolve(path);
      const made = await mkdir(target, { recursive: true, mode: 0o755 });
      if (made !== undefined) await chmod(made, 0o755);
      if (mode !== undefined) await chmod(target, mode);
    },
    remove: async (path) => {
      await rm(await resolve(path, { keepLast: true }), { recursive: true, force: true });
    },
    list: async (path) => await readdir(await resolve(path)).catch(() => []),
    exists: async (path) => (await lstat(await resolve(path)).catch(() => undefined)) !== undefined,
  };
}
