/** @portable Folders of configured users. docs/concepts/persistence.md */
import type { Home } from "../layout/merge-accounts.ts";
import { sentence } from "./failure.ts";
import { folderInside, isA } from "./inside.ts";
import type { Sys } from "./sys.ts";

const SKELETON = "/etc/skel";
/** Nobody else looks in. Source: login.defs(5), HOME_MODE of Debian */
const PRIVATE = 0o700;
const LINK = 0o120777;
const FRESH = ".petrify-new";
/** More would be a circle. */
const MOST_DEEP = 20;

/**
 * Makes each one that is not there, with what new users get, by one rename: a power cut leaves none, or a whole one. What is there is left alone.
 *
 * @param makeIn folders in which one can be made
 * @param notes a sentence is added for each that cannot be made
 */
export function makeHomes(sys: Sys, homes: readonly Home[], makeIn: readonly string[], notes: string[]): void {
  for (const home of homes) {
    try {
      makeHome(sys, home, makeIn);
    } catch (error) {
      notes.push(`${JSON.stringify(home.path)} cannot be made: ${sentence(error)}`);
    }
  }
}

function makeHome(sys: Sys, { path, uid, gid }: Home, makeIn: readonly string[]): void {
  const cut = path.lastIndexOf("/");
  const at = folderInside(sys, path.slice(0, cut), { root: "", makeIn, follow: false }) + path.slice(cut);
  if (sys.exists(at)) return;
  const fresh = at + FRESH;
  sys.removeTree(fresh); // of a boot that was cut short
  copyFolder(sys, SKELETON, fresh, { uid, gid }, 0);
  sys.setOwner(fresh, { mode: PRIVATE, uid, gid });
  sys.rename(fresh, at);
}

function copyFolder(sys: Sys, from: string, to: string, owner: Pick<Home, "uid" | "gid">, depth: number): void {
  sys.makeFolder(to, PRIVATE);
  if (depth > MOST_DEEP) return;
  for (const name of sys.list(from)) {
    const [source, target] = [`${from}/${name}`, `${to}/${name}`];
    if (isA(sys, "folder", source)) copyFolder(sys, source, target, owner, depth + 1);
    else if (isA(sys, "link", source)) sys.makeLink(target, sys.readLink(source));
    else if (isA(sys, "file", source)) copyFile(sys, source, target);
    else continue;
    sys.setOwner(target, { ...owner, mode: isA(sys, "link", target) ? LINK : sys.status(source).mode });
  }
}

function copyFile(sys: Sys, from: string, to: string): void {
  const { size } = sys.status(from);
  const [source, target] = [sys.open(from, "read"), sys.open(to, "new")];
  try {
    sys.writeAt(target, 0, sys.readAt(source, 0, size));
  } finally {
    sys.close(source);
    sys.close(target);
  }
}
