/** Whether paths are what a config says they are. docs/concepts/stages.md */
import { lstat, readFile, readlink } from "node:fs/promises";
import { bytesOfBase64 } from "../layout/base64.ts";
import type { TreeEntry } from "../layout/compiled-config.ts";
import { ownerIds, ownerNames, type OwnerNames } from "../layout/owner-names.ts";

const PERMISSIONS = 0o7777;

/** @param etc where `passwd` and `group` are */
export async function namesOf(etc = "/etc"): Promise<OwnerNames> {
  const text = async (name: string): Promise<string> => await readFile(`${etc}/${name}`, "latin1").catch(() => "");
  return ownerNames(await text("passwd"), await text("group"));
}

/**
 * What is another than an entry says, in a few words without contents; nothing where it is so.
 *
 * @param root in front of every path: empty for the running system
 * @throws NodeJS.ErrnoException where nobody can tell
 */
export async function differenceOf(entry: TreeEntry, names: OwnerNames, root = ""): Promise<string | undefined> {
  const { path, what, owner } = entry;
  const at = root + path;
  const info = await lstat(at).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (what.is === "gone") return info ? "is there" : undefined;
  if (!info) return "is not there";
  const kind = info.isFile() ? "file" : info.isDirectory() ? "folder" : info.isSymbolicLink() ? "link" : "other";
  if (kind !== what.is) return `is ${kind === "other" ? "something else" : `a ${kind}`}`;
  if (what.is === "link") return (await readlink(at)) === what.to ? undefined : "leads elsewhere";
  if (what.is === "folder" && what.keep === true) return undefined;
  const ids = ownerIds(owner, names) ?? { uid: 0, gid: 0 };
  if (info.uid !== ids.uid || info.gid !== ids.gid) return `belongs to ${info.uid}:${info.gid}`;
  const isKnown = ownerIds(owner, names) !== undefined;
  const mode = isKnown ? what.mode : what.mode & ~0o6000;
  if ((info.mode & PERMISSIONS) !== mode) return `has the mode ${(info.mode & PERMISSIONS).toString(8).padStart(4, "0")}`;
  if (what.is === "folder") return undefined;
  const wanted = "text" in what.content ? Buffer.from(what.content.text) : Buffer.from(bytesOfBase64(what.content.base64) ?? []);
  if (what.append !== true && info.size !== wanted.length) return "has other content";
  const found = await readFile(at);
  const holds = what.append === true ? found.includes(wanted) : found.equals(wanted);
  return holds ? undefined : what.append === true ? "lacks what is added to it" : "has other content";
}
