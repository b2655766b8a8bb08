/** @portable Where a path leads without ever leaving a folder, whatever links there are on the way. */
import { AppError } from "../core/error.ts";
import { isNormalPath } from "../layout/persistent-folder.ts";
import type { Sys } from "./sys.ts";

const TYPE = 0o170000;
const TYPES = { folder: 0o040000, link: 0o120000, file: 0o100000 } as const;
/** As in the kernel. Source: path_resolution(7) */
const MOST_LINKS = 40;
/** Of a folder that is made on the way. */
const MADE = 0o755;

/** Of the path itself, never what it links to. */
export const isA = (sys: Sys, what: keyof typeof TYPES, path: string): boolean =>
  sys.exists(path) && (sys.status(path).mode & TYPE) === TYPES[what];

export interface InsideOptions {
  /** What programs will have as their `/`, without a `/` at its end: `/sysroot`; empty for `/`. */
  readonly root: string;
  /** Folders in which missing ones are made. */
  readonly makeIn: readonly string[];
  /** Whether links are followed, as if `root` were `/`; else they are in the way. */
  readonly follow: boolean;
}

/**
 * The same folder by its own name: without any link on the way.
 *
 * @param path absolute, as programs name it
 * @returns a path of the same kind, empty for `/`
 * @throws AppError `PATH_REFUSED`, SysError
 */
export function folderInside(sys: Sys, path: string, { root, makeIn, follow }: InsideOptions): string {
  if (path !== "" && !isNormalPath(path)) throw refused(path, "is no path");
  let at: string[] = [];
  let links = 0;
  const left = path.split("/");
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      at = at.slice(0, -1);
      continue;
    }
    const here = `/${[...at, name].join("/")}`;
    if (!sys.exists(root + here)) {
      if (!isBelow(here, makeIn)) throw refused(path, `cannot be there: there is no ${here}, and none can be made`);
      sys.makeFolder(root + here, MADE);
    }
    if (isA(sys, "link", root + here)) {
      if (!follow) throw refused(path, `has a link in its way: ${here}`);
      if (++links > MOST_LINKS) throw refused(path, "leads through links without an end");
      const target = sys.readLink(root + here);
      if (target.startsWith("/")) at = [];
      left.unshift(...target.split("/"));
      continue;
    }
    if (!isA(sys, "folder", root + here)) throw refused(path, `has a file in its way: ${here}`);
    at = [...at, name];
  }
  return at.length === 0 ? "" : `/${at.join("/")}`;
}

export const isBelow = (path: string, folders: readonly string[]): boolean =>
  folders.some((folder) => path.startsWith(`${folder}/`));

export const refused = (path: string, why: string): AppError => new AppError("PATH_REFUSED", `${JSON.stringify(path)} ${why}`);
