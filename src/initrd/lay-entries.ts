/** @portable Makes paths what a compiled config says they are. docs/formats/compiled-config.md */
import { AppError } from "../core/error.ts";
import type { EntryContent, TreeEntry } from "../layout/compiled-config.ts";
import { ownerIds, type OwnerNames } from "../layout/owner-names.ts";
import { base64Bytes } from "./base64-bytes.ts";
import { sentence } from "./failure.ts";
import { folderInside, isA, isBelow, refused, type InsideOptions } from "./inside.ts";
import type { FileStatus, Sys } from "./sys.ts";

type Status = Pick<FileStatus, "mode" | "uid" | "gid">;

/** Where entries go. */
export interface LayPlace extends InsideOptions {
  readonly names: OwnerNames;
  /** Why a path is not to be laid, as the end of a sentence; nothing where it may be. */
  readonly refusal: (path: string, is: TreeEntry["what"]["is"]) => string | undefined;
}

const LINK = 0o120777;
const PERMISSIONS = 0o7777;
const SET_IDS = 0o6000;
const FRESH = ".petrify-new";
const MOST_LINKS = 40;

/**
 * Lays down each entry, or says why not. What is as it should be is left alone.
 *
 * @param notes a sentence is added for each entry that is left out, or is not quite as it should be
 */
export function layEntries(sys: Sys, entries: readonly TreeEntry[], place: LayPlace, notes: string[]): void {
  /** Folders by their names; a thousand files lie in few. */
  let folders = new Map<string, string>();
  for (const entry of entries) {
    const { path, what } = entry;
    try {
      const [folder, name] = [path.slice(0, path.lastIndexOf("/")), path.slice(path.lastIndexOf("/"))];
      const real = folders.get(folder) ?? folderInside(sys, folder, place);
      folders.set(folder, real);
      const why = place.refusal(real + name, what.is);
      if (why !== undefined) throw refused(path, why);
      layEntry(sys, real + name, entry, place, notes);
    } catch (error) {
      const words = sentence(error);
      notes.push(
        error instanceof AppError && error.code === "PATH_REFUSED" ? words : `${JSON.stringify(path)} cannot be made: ${words}`,
      );
    }
    if (what.is !== "file") folders = new Map(); // a folder may have gone, or become another
  }
}

/** @param path in a folder that is one itself */
function layEntry(sys: Sys, path: string, entry: TreeEntry, place: LayPlace, notes: string[]): void {
  const { owner, what } = entry;
  const at = place.root + path;
  const ids = ownerIds(owner, place.names);
  if (!ids) notes.push(`${JSON.stringify(entry.path)} belongs to root: there is no ${JSON.stringify(owner)}`);
  const { uid, gid } = ids ?? { uid: 0, gid: 0 };
  const status = (mode: number): Status => ({ mode: ids ? mode : mode & ~SET_IDS, uid, gid }); // nobody's program is not root's
  switch (what.is) {
    case "gone":
      return sys.removeTree(at);
    case "folder":
      if (what.keep === true && isA(sys, "folder", at)) return;
      if (!isA(sys, "folder", at)) sys.removeTree(at);
      sys.makeFolder(at, 0o700);
      return settle(sys, at, status(what.mode));
    case "link":
      if (!isA(sys, "link", at) || sys.readLink(at) !== what.to) {
        sys.removeTree(at);
        sys.makeLink(at, what.to);
      }
      return settle(sys, at, { mode: LINK, uid, gid });
    case "file": {
      const given = contentOf(what.content);
      return layFile(sys, at, what.append === true ? appended(sys, path, given, place) : given, status(what.mode));
    }
  }
}

/** What a file is to hold. */
type Content = string | Uint8Array;

/** Over what is there by a rename: others see the old one or the new one. */
function layFile(sys: Sys, at: string, content: Content, status: Status): void {
  if (holds(sys, at, content)) return settle(sys, at, status);
  const fresh = at + FRESH;
  sys.removeTree(fresh);
  const file = sys.open(fresh, "new");
  try {
    if (typeof content === "string") sys.writeTextTo(file, content);
    else sys.writeAt(file, 0, content);
  } finally {
    sys.close(file);
  }
  sys.setOwner(fresh, status);
  if (isA(sys, "folder", at)) sys.removeTree(at);
  sys.rename(fresh, at);
}

/** Only where it is another: what is set anew is a write to a disk. */
function settle(sys: Sys, at: string, status: Status): void {
  const { mode, uid, gid } = sys.status(at);
  if (uid !== status.uid || gid !== status.gid || ((mode ^ status.mode) & PERMISSIONS) !== 0) sys.setOwner(at, status);
}

function holds(sys: Sys, at: string, content: Content): boolean {
  if (!isA(sys, "file", at)) return false;
  if (typeof content === "string") return sys.readText(at) === content;
  if (sys.status(at).size !== content.length) return false;
  const file = sys.open(at, "read");
  try {
    const bytes = sys.readAt(file, 0, content.length);
    return bytes.length === content.length && bytes.every((byte, index) => byte === content[index]);
  } finally {
    sys.close(file);
  }
}

/** What is there, and the text after it unless that is its end already. */
function appended(sys: Sys, path: string, content: Content, place: LayPlace): string {
  if (typeof content !== "string") throw new AppError("CONTENT_INVALID", "bytes cannot be added to a text");
  const old = textAt(sys, path, place);
  return old.endsWith(content) ? old : old + content;
}

/** A file's text, by way of links where those are followed; empty where there is none. */
function textAt(sys: Sys, path: string, place: LayPlace): string {
  let at = path;
  for (let links = 0; links < MOST_LINKS && isA(sys, "link", place.root + at); links++) {
    if (!place.follow) return "";
    const target = sys.readLink(place.root + at);
    const whole = normal(target.startsWith("/") ? target : `${at.slice(0, at.lastIndexOf("/"))}/${target}`);
    const cut = whole.lastIndexOf("/");
    at = folderInside(sys, whole.slice(0, cut), { ...place, makeIn: [] }) + whole.slice(cut);
  }
  return isA(sys, "file", place.root + at) ? sys.readText(place.root + at) : "";
}

function normal(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function contentOf(content: EntryContent): Content {
  if ("text" in content) return content.text;
  const bytes = base64Bytes(content.base64);
  if (!bytes) throw new AppError("CONTENT_INVALID", "its content is no Base64");
  return bytes;
}

/** Only these folders can be written to, and what they are themselves is nobody's to change but for owner and mode. */
export const onlyIn =
  (folders: readonly string[]): LayPlace["refusal"] =>
  (path, is) =>
    isBelow(path, folders) || (is === "folder" && folders.includes(path))
      ? undefined
      : `cannot be written to: it is not in ${folders.join(", ")}`;
