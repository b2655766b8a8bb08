/**
 * @portable Layers of an image become one tree. Source: OCI Image Format 1.1, layer.md, "Applying Changesets" and "Whiteouts"
 *
 * Only names are known here, no contents: the result says which entry of which layer is where in the end. Links are followed as the kernel
 * would in a chroot: whatever they say, they end inside the tree.
 */
import type { Bytes } from "../core/units.ts";
import { shownText, type ByteText } from "./byte-text.ts";
import type { TarEntry, TarType } from "./tar-entry.ts";
import { partsOfName } from "./tar-name.ts";
import { refused } from "./tar-reader.ts";

/** An entry of a layer, as far as the tree needs it. */
export interface Member {
  readonly type: TarType;
  readonly parts: readonly ByteText[];
  readonly target: ByteText;
}
export interface TreeLimits {
  /** Entries of all layers together, and the folders that they imply. */
  readonly entries: number;
  /** Bytes of all their names and of the targets of links. */
  readonly names: Bytes;
}
export interface LayerOptions {
  /** How the layer is called in errors. */
  readonly origin: string;
  /** Whether names such as `.wh.x` take something away, as in layers; in other archives they are names. */
  readonly whiteouts: boolean;
}
export interface LayerTree {
  /**
   * Lays the next layer over what is there. Its members are by their place in the layer's archive; those that are left out are undefined.
   *
   * @throws AppError `ARCHIVE_REFUSED`; nothing can be laid over it after that
   */
  lay(members: readonly (Member | undefined)[], options: LayerOptions): void;
  /** What is left of all layers. */
  plan(): MergePlan;
}
export interface MergePlan {
  /** Folders that no entry describes; the root has no name. */
  readonly implied: readonly ByteText[];
  /** For each layer, by the place of an entry in its archive: the names under which it is in the tree. The first has the content, the others are hard links. */
  readonly names: (layer: number, place: number) => readonly ByteText[];
}

/** Source: Linux, include/linux/namei.h, MAXSYMLINKS */
const MOST_LINKS = 40;
/** Source: Linux, include/uapi/linux/limits.h, PATH_MAX */
const LONGEST_PATH = 4096;
/** Parts of names that are looked up for each entry that is allowed: far more than a tree needs, and soon over for one that is made of links. */
const STEPS_PER_ENTRY = 64;

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/**
 * What an entry is to the tree; nothing for what is below /dev, which every system fills for itself.
 *
 * @throws AppError `ARCHIVE_REFUSED`
 */
export function memberOf({ type, name, target, device }: TarEntry, origin: string): Member | undefined {
  const parts = partsOfName(name);
  if (typeof parts === "string") throw refused(origin, name, parts);
  if (parts.length === 0 && type !== "folder") throw refused(origin, name, "is the root and no folder");
  if (parts.length > 1 && parts[0] === "dev") return undefined;
  if (type === "character" && device[0] === 0 && device[1] === 0) {
    throw refused(origin, name, "is a whiteout of overlayfs: this is the upper folder of an overlay, not a whole tree");
  }
  if (type === "character" || type === "block") {
    throw refused(
      origin,
      name,
      `is a device (${device.join(":")}) outside of /dev`,
      "Images have no devices: the kernel makes those of /dev. Take it out of the base.",
    );
  }
  if (type === "hardLink") {
    const to = partsOfName(target);
    if (typeof to === "string") throw refused(origin, name, `is a hard link to ${shownText(target)}, which ${to}`);
  }
  if (target.length >= LONGEST_PATH) throw refused(origin, name, `its target is longer than ${LONGEST_PATH - 1} bytes`);
  return { type, parts, target };
}

interface Node {
  readonly name: ByteText;
  readonly parent: Node | undefined;
  readonly type: TarType;
  /** Of a symbolic link. */
  readonly target: ByteText;
  readonly children: Map<ByteText, Node> | undefined;
  /** Bytes of the path. */
  readonly length: number;
  /** Where content and metadata come from: layer, and place in it; -1 for an implied folder. Hard links share it. */
  layer: number;
  place: number;
  /** The last layer that put something here or below. */
  touched: number;
}

export function layerTree(limits: TreeLimits): LayerTree {
  const root: Node = node("", undefined, "folder", "", 0, -1);
  const counts: number[] = [];
  let entries = 0;
  let names = 0;
  let steps = 0;

  /** Follows a name to a folder. @returns nothing where it does not exist and is not made */
  const folderAt = (
    parts: readonly ByteText[],
    layer: number,
    fail: Fail,
    make: boolean,
    stay?: ReadonlySet<ByteText>,
  ): Node | undefined => {
    const rest = parts.toReversed();
    let at = root;
    let links = 0;
    while (rest.length > 0) {
      if (++steps > limits.entries * STEPS_PER_ENTRY) throw fail("leads through links without end, as do others before it");
      const part = rest.pop()!;
      if (part === "" || part === ".") continue;
      if (part === "..") {
        at = at.parent ?? root;
        continue;
      }
      const child = at.children!.get(part);
      if (child === undefined) {
        if (!make) return undefined;
        if (part.length > 255) throw fail("leads through a link to a name that is longer than 255 bytes");
        if (++entries > limits.entries) throw fail(`is more than the ${limits.entries} entries that are read`);
        at = put(node(part, at, "folder", "", layer, -1), fail);
      } else if (child.children) at = child;
      else if (child.type === "symlink") {
        if (stay && links === 0 && stay.has(parts.slice(0, parts.length - rest.length).join("/"))) return undefined;
        if (++links > MOST_LINKS)
          throw fail(`leads through more than ${MOST_LINKS} links: ${shownText(pathOf(child))} is in a loop`);
        if (child.target.startsWith("/")) at = root;
        rest.push(...child.target.split("/").toReversed());
      } else throw fail(`lies below ${shownText(pathOf(child))}, which is no folder`);
    }
    return at;
  };
  const put = (made: Node, fail: Fail): Node => {
    if (made.length > LONGEST_PATH) throw fail(`ends, through links, at a path of more than ${LONGEST_PATH} bytes`);
    made.parent!.children!.set(made.name, made);
    return made;
  };

  const takeAway = ({ type, parts }: Member, layer: number, fail: Fail, stay: ReadonlySet<ByteText>): void => {
    const name = parts.at(-1)!;
    if (type !== "file") throw fail(`is a whiteout and a ${type}`);
    const hidden = name.slice(WHITEOUT.length);
    if (name !== OPAQUE && (["", ".", ".."].includes(hidden) || hidden.startsWith(WHITEOUT))) {
      throw fail("is a whiteout of nothing that can be named");
    }
    const folder = folderAt(parts.slice(0, -1), layer, fail, false, stay);
    if (name === OPAQUE) folder?.children!.clear();
    else folder?.children!.delete(hidden);
  };

  const add = ({ type, parts, target }: Member, layer: number, place: number, fail: Fail): void => {
    const name = parts.at(-1);
    if (name === undefined) {
      Object.assign(root, { layer, place });
      return;
    }
    const parent = folderAt(parts.slice(0, -1), layer, fail, true)!;
    const old = parent.children!.get(name);
    if (old && old.touched === layer && !(old.children && type === "folder")) {
      throw fail(
        `is there twice: ${shownText(pathOf(old))} is from the same archive`,
        "Pack the tree again as one archive, with each name once.",
      );
    }
    if (old?.children && type === "folder") {
      Object.assign(old, { layer, place });
      touch(old, layer);
      return;
    }
    const made =
      type === "hardLink"
        ? linked(target, parent, name, fail)
        : node(name, parent, type, type === "symlink" ? target : "", layer, place);
    put(made, fail);
    touch(made, layer);
  };
  const linked = (target: ByteText, parent: Node, name: ByteText, fail: Fail): Node => {
    const to = partsOfName(target) as readonly ByteText[];
    const file = folderAt(to.slice(0, -1), 0, fail, false)?.children!.get(to.at(-1) ?? "");
    if (!file) throw fail(`is a hard link to ${shownText(target)}, which is not there`);
    if (file.children) throw fail(`is a hard link to ${shownText(target)}, which is a folder`);
    return node(name, parent, file.type, file.target, file.layer, file.place);
  };

  return {
    lay: (members, { origin, whiteouts }) => {
      const layer = counts.length;
      counts.push(members.length);
      const failing =
        ({ parts }: Member): Fail =>
        (reason, hint) =>
          refused(origin, parts.join("/") || "./", reason, hint);
      const folders = new Set<ByteText>();
      const away: Member[] = [];
      for (const member of members) {
        entries++;
        if (member === undefined) continue;
        const { parts, target } = member;
        names += parts.reduce((sum, part) => sum + part.length + 1, target.length);
        if (entries > limits.entries) throw failing(member)(`is more than the ${limits.entries} entries that are read`);
        if (names > limits.names) throw failing(member)(`the names of the archive are more than ${limits.names} bytes`);
        if (!whiteouts) continue;
        if (parts.slice(0, -1).some((part) => part.startsWith(WHITEOUT))) throw failing(member)("lies below a whiteout");
        if (parts.at(-1)?.startsWith(WHITEOUT)) away.push(member);
        else if (member.type === "folder") folders.add(parts.join("/"));
      }
      // Whiteouts hide what lower layers have, never their own, wherever they stand in the archive.
      for (const member of away) takeAway(member, layer, failing(member), folders);
      const hiding = new Set(away);
      for (const [place, member] of members.entries()) {
        if (member && !hiding.has(member)) add(member, layer, place, failing(member));
      }
    },
    plan: () => {
      const implied: ByteText[] = [];
      const found: (Node | Node[] | undefined)[][] = counts.map((count) => Array.from({ length: count }));
      const left = [root];
      for (let at = left.pop(); at; at = left.pop()) {
        if (at.place === -1) implied.push(pathOf(at));
        else {
          const others = found[at.layer]![at.place];
          if (others === undefined) found[at.layer]![at.place] = at;
          else if (Array.isArray(others)) others.push(at);
          else found[at.layer]![at.place] = [others, at];
        }
        for (const child of at.children?.values() ?? []) left.push(child);
      }
      return {
        implied,
        names: (layer, place) => {
          const nodes = found[layer]![place];
          if (nodes === undefined) return [];
          return Array.isArray(nodes) ? nodes.map(pathOf).sort() : [pathOf(nodes)];
        },
      };
    },
  };
}

type Fail = (reason: string, hint?: string) => Error;

function node(name: ByteText, parent: Node | undefined, type: TarType, target: ByteText, layer: number, place: number): Node {
  const length = parent === undefined ? 0 : parent.length + (parent.parent ? 1 : 0) + name.length;
  const children = type === "folder" ? new Map<ByteText, Node>() : undefined;
  // An implied folder is not marked yet: the folders above it are not either.
  return { name, parent, type, target, children, length, layer, place, touched: place === -1 ? -1 : layer };
}

/** Marks a node and the folders above it; those above one that is marked are so already. */
function touch(made: Node, layer: number): void {
  made.touched = layer;
  for (let at = made.parent; at && at.touched !== layer; at = at.parent) at.touched = layer;
}

function pathOf(at: Node): ByteText {
  const parts: ByteText[] = [];
  for (let here: Node | undefined = at; here?.parent; here = here.parent) parts.push(here.name);
  return parts.toReversed().join("/");
}
