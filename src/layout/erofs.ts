/** @portable Reading an EROFS without mounting it: inodes, folders, extended attributes, where contents lie. Source: fs/erofs/erofs_fs.h of Linux 6.12. */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import type { ReadAt } from "./gpt.ts";

export type ErofsKind = "file" | "folder" | "link" | "character" | "block" | "fifo" | "socket";

export interface ErofsInode {
  /** Number of the inode; names with the same number are hard links of one file. */
  readonly nid: number;
  readonly kind: ErofsKind;
  /** Permissions with set-uid, set-gid and sticky: 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: Bytes;
  readonly links: number;
  /** Of a device, as the kernel packs it (`new_encode_dev`). */
  readonly device?: number;
}
/** A run of a file's bytes. */
export interface ErofsExtent {
  /** From the start of the file system; nothing for a hole. */
  readonly start: Bytes | undefined;
  readonly size: Bytes;
}
export interface ErofsName {
  readonly name: string;
  readonly nid: number;
}
export interface Erofs {
  /** Number of the top folder's inode. */
  readonly root: number;
  /** @throws AppError `EROFS_INVALID`, as the others */
  inode(nid: number): ErofsInode;
  /** What a folder holds, in its order, without `.` and `..`. */
  list(nid: number): readonly ErofsName[];
  /** By name (`security.capability`), values as they are. */
  attributes(nid: number): ReadonlyMap<string, Uint8Array>;
  /** Where the contents of a file, folder or link lie, in order; nothing when they are compressed. */
  extents(nid: number): readonly ErofsExtent[] | undefined;
  /** @throws AppError `EROFS_UNSUPPORTED` also for a link that is compressed */
  target(nid: number): string;
}

const SUPERBLOCK = 1024;
const MAGIC = 0xe0f5e1e2;
const SLOT = 32;
/** Features that change how inodes, folders or attributes are read, other than these, are not known: chunked files, and all of compression. */
const KNOWN_FEATURES = 0x37;
const DEVICE_TABLE = 0x08;
const LAYOUT = { plain: 0, inline: 2, chunks: 4 } as const;
const KINDS: Readonly<Record<number, ErofsKind>> = {
  1: "fifo",
  2: "character",
  4: "folder",
  6: "block",
  8: "file",
  10: "link",
  12: "socket",
};
const PREFIXES: Readonly<Record<number, string>> = {
  1: "user.",
  2: "system.posix_acl_access",
  3: "system.posix_acl_default",
  4: "trusted.",
  5: "lustre.",
  6: "security.",
};
const NOWHERE = 0xffffffff;
/** More than this is not believed of a folder or of a link. */
const MAX_FOLDER: Bytes = 64 * 1024 ** 2;
const MAX_TARGET: Bytes = 4096;
/** A file in more pieces than this is not believed. */
const MAX_CHUNKS = 1024 ** 2;

interface Raw extends ErofsInode {
  readonly layout: number;
  /** Where the inode and its attributes end, and what else belongs to it begins. */
  readonly end: Bytes;
  readonly attributesAt: Bytes;
  readonly attributesSize: Bytes;
  /** First block, or the form of the chunks, or a device. */
  readonly word: number;
}

/**
 * Opens the file system that `read` starts with.
 *
 * @throws AppError `EROFS_INVALID` when it is none, `EROFS_UNSUPPORTED` when it has a feature that this reader does not know
 */
export function openErofs(read: ReadAt): Erofs {
  const superblock = viewOf(whole(read, SUPERBLOCK, 128));
  if (superblock.getUint32(0, true) !== MAGIC) throw invalid("it has no superblock");
  const features = superblock.getUint32(80, true);
  const unknown = features & ~KNOWN_FEATURES;
  if (unknown !== 0 && !(unknown === DEVICE_TABLE && superblock.getUint16(86, true) === 0)) {
    throw new AppError("EROFS_UNSUPPORTED", `the EROFS has features that are not known (0x${unknown.toString(16)})`);
  }
  const blockBits = superblock.getUint8(12);
  if (blockBits < 9 || blockBits > 16) throw invalid(`it has blocks of 2^${blockBits} bytes`);
  const block = 2 ** blockBits;
  const metadata = superblock.getUint32(40, true) * block;
  const shared = superblock.getUint32(44, true) * block;

  const inode = (nid: number): Raw => {
    const at = metadata + nid * SLOT;
    if (!Number.isSafeInteger(at) || nid < 0) throw invalid(`there is no inode ${nid}`);
    const view = viewOf(whole(read, at, SLOT));
    const format = view.getUint16(0, true);
    const isExtended = (format & 1) === 1;
    const more = isExtended ? viewOf(whole(read, at, 2 * SLOT)) : view;
    const mode = view.getUint16(4, true);
    const kind = KINDS[mode >> 12];
    if (!kind) throw invalid(`inode ${nid} has no type`);
    const count = view.getUint16(2, true);
    const attributesAt = at + (isExtended ? 2 * SLOT : SLOT);
    const attributesSize = count === 0 ? 0 : 12 + 4 * (count - 1);
    const size = isExtended ? Number(more.getBigUint64(8, true)) : view.getUint32(8, true);
    if (!Number.isSafeInteger(size)) throw invalid(`inode ${nid} has an impossible size`);
    return {
      ...{ nid, kind, mode: mode & 0o7777, size, layout: (format >> 1) & 7, word: view.getUint32(16, true) },
      uid: isExtended ? more.getUint32(24, true) : view.getUint16(24, true),
      gid: isExtended ? more.getUint32(28, true) : view.getUint16(26, true),
      links: isExtended ? more.getUint32(44, true) : view.getUint16(6, true),
      ...{ attributesAt, attributesSize, end: attributesAt + attributesSize },
      ...(kind === "character" || kind === "block" ? { device: view.getUint32(16, true) } : {}),
    };
  };

  const chunks = ({ nid, word, size, end }: Raw): ErofsExtent[] => {
    const bytes = block * 2 ** (word & 0x1f);
    const isIndexed = (word & 0x20) !== 0;
    const unit = isIndexed ? 8 : 4;
    const count = Math.ceil(size / bytes);
    if (count > MAX_CHUNKS) throw invalid(`inode ${nid} has ${count} chunks`);
    const map = viewOf(whole(read, Math.ceil(end / unit) * unit, count * unit));
    return Array.from({ length: count }, (_, i) => {
      const first = map.getUint32(i * unit + (isIndexed ? 4 : 0), true);
      return { start: first === NOWHERE ? undefined : first * block, size: Math.min(bytes, size - i * bytes) };
    });
  };
  const extentsOf = (node: Raw): readonly ErofsExtent[] | undefined => {
    const { layout, size, word, end } = node;
    if (size === 0) return [];
    if (layout === LAYOUT.plain) return [{ start: word * block, size }];
    if (layout === LAYOUT.chunks) return chunks(node);
    if (layout !== LAYOUT.inline) return undefined;
    const tail = size % block;
    const full = { start: word * block, size: size - tail };
    return [full, { start: end, size: tail }].filter((extent) => extent.size > 0);
  };
  const contents = (node: Raw, limit: Bytes): Uint8Array => {
    if (node.size > limit) throw invalid(`inode ${node.nid} has ${node.size} bytes, which is too much`);
    const extents = extentsOf(node);
    if (!extents) throw new AppError("EROFS_UNSUPPORTED", `inode ${node.nid}, a ${node.kind}, is compressed`);
    const bytes = new Uint8Array(node.size);
    let done = 0;
    for (const { start, size } of extents) {
      if (start !== undefined) bytes.set(whole(read, start, size), done);
      done += size;
    }
    return bytes;
  };
  const sharedAttribute = (id: number): [string, Uint8Array] => attributeAt(read, shared + id * 4).pair;

  return {
    root: superblock.getUint16(14, true),
    inode: (nid) => {
      const { kind, mode, uid, gid, size, links, device } = inode(nid);
      return { nid, kind, mode, uid, gid, size, links, ...(device === undefined ? {} : { device }) };
    },
    list: (nid) => {
      const node = inode(nid);
      if (node.kind !== "folder") throw invalid(`inode ${nid} is no folder`);
      const bytes = contents(node, MAX_FOLDER);
      const names: ErofsName[] = [];
      for (let at = 0; at < bytes.length; at += block) names.push(...namesOf(bytes.subarray(at, at + block)));
      return names;
    },
    attributes: (nid) => {
      const { attributesAt, attributesSize } = inode(nid);
      const found = new Map<string, Uint8Array>();
      if (attributesSize === 0) return found;
      const bytes = whole(read, attributesAt, attributesSize);
      const view = viewOf(bytes);
      const count = bytes[4]!;
      let at = 12 + 4 * count;
      if (at > bytes.length) throw invalid(`the attributes of inode ${nid} overlap`);
      for (let i = 0; i < count; i++) found.set(...sharedAttribute(view.getUint32(12 + 4 * i, true)));
      while (at + 4 <= bytes.length) {
        const { pair, size } = attributeAt((offset, length) => bytes.subarray(offset, offset + length), at);
        found.set(...pair);
        at += size;
      }
      return found;
    },
    extents: (nid) => extentsOf(inode(nid)),
    target: (nid) => {
      const node = inode(nid);
      if (node.kind !== "link") throw invalid(`inode ${nid} is no link`);
      return erofsName(contents(node, MAX_TARGET));
    },
  };
}

/** One block of a folder: entries of 12 bytes, then the names that they point to. */
function namesOf(bytes: Uint8Array): ErofsName[] {
  if (bytes.length < 12) throw invalid("a folder is cut short");
  const view = viewOf(bytes);
  const first = view.getUint16(8, true);
  if (first < 12 || first % 12 !== 0 || first > bytes.length) throw invalid("a folder has no entries");
  const count = first / 12;
  const names: ErofsName[] = [];
  for (let i = 0; i < count; i++) {
    const start = view.getUint16(i * 12 + 8, true);
    const end = i + 1 < count ? view.getUint16((i + 1) * 12 + 8, true) : bytes.length;
    if (start < first || start >= end || end > bytes.length) throw invalid("a folder's names overlap");
    const field = bytes.subarray(start, end);
    const zero = field.indexOf(0);
    const name = erofsName(zero < 0 ? field : field.subarray(0, zero));
    if (name === "." || name === "..") continue;
    if (name === "" || name.includes("/")) throw invalid("a folder has a name that none can have");
    names.push({ name, nid: Number(view.getBigUint64(i * 12, true)) });
  }
  return names;
}

function attributeAt(read: ReadAt, at: Bytes): { readonly pair: [string, Uint8Array]; readonly size: Bytes } {
  const head = whole(read, at, 4);
  const [nameLength, index] = [head[0]!, head[1]!];
  const valueLength = viewOf(head).getUint16(2, true);
  const prefix = PREFIXES[index];
  if (prefix === undefined) throw invalid(`an attribute has a name of the kind ${index}`);
  const name = prefix + erofsName(whole(read, at + 4, nameLength));
  const value = Uint8Array.from(whole(read, at + 4 + nameLength, valueLength));
  return { pair: [name, value], size: Math.ceil((4 + nameLength + valueLength) / 4) * 4 };
}

/** How a name is read here: bytes that are no UTF-8 as `\xff`, so two names never become one. */
export function erofsName(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) =>
      byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`,
    ).join("");
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function whole(read: ReadAt, offset: Bytes, length: Bytes): Uint8Array {
  const bytes = read(offset, length);
  if (bytes.length !== length) throw invalid("it ends too early");
  return bytes;
}

const invalid = (why: string): AppError => new AppError("EROFS_INVALID", `this is not a sound EROFS: ${why}`);
