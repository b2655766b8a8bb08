/** @portable How ext4 file systems are made, by the builder and on a machine alike: mke2fs(8), debugfs(8). docs/formats/disk.md */
import { hex, type Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import { KiB, type Bytes } from "../core/units.ts";
import type { Extent } from "./disk.ts";
import { guidFromHex, type Guid } from "./guid.ts";
import type { Piece } from "./patch.ts";

/** A file system inside a file that is zero there. */
export interface Ext4Volume {
  readonly file: string;
  readonly offset: Bytes;
  readonly size: Bytes;
  /** At most 16 characters. */
  readonly label: string;
  /** Of the partition: the file system's own identifiers are made from it. */
  readonly partition: Guid;
  /** Seconds since 1970. */
  readonly time: number;
}
/** The files of an image store, in its root folder, each of the same size. */
export interface StoreFiles {
  readonly names: readonly string[];
  readonly capacity: Bytes;
}
/** A program's command line, and what its environment needs. */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

export const EXT4_BLOCK: Bytes = 4 * KiB;
/** GRUB 2.12 reads neither: a checksum seed apart from the UUID, a file of orphans. */
const NOT_FOR_GRUB = "^metadata_csum_seed,^orphan_file";

/**
 * An ext4 with the shape of one that is as large as what it may grow to: mke2fs would make a small one for few large files.
 *
 * @param from path of a folder: what is in it; default: nothing
 */
export const mke2fsCommand = (volume: Ext4Volume, sha256: Sha256, from?: string): Command =>
  mke2fs(volume, ["-O", NOT_FOR_GRUB, "-T", "default", ...(from === undefined ? [] : ["-d", from])], inFile(volume), {}, sha256);

/**
 * The same over whatever a partition holds. The disk is told that it need not keep any of it; inode tables are zeroed by the kernel, in the background.
 *
 * @param volume its `file` is the partition's device
 * @param config path of a file with {@link DATA_CONFIG}: the image may have another one, or none
 */
export const mke2fsOverCommand = (volume: Ext4Volume, config: string, sha256: Sha256): Command =>
  mke2fs(
    volume,
    ["-O", NOT_FOR_GRUB, "-T", "default"],
    ["discard", "lazy_itable_init=1", "lazy_journal_init=0"],
    { MKE2FS_CONFIG: config },
    sha256,
  );

/** mke2fs.conf(5): what Debian's has for ext4, where a build takes it from. */
export const DATA_CONFIG = `[defaults]
 base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
 default_mntopts = acl,user_xattr
 enable_periodic_fsck = 0
 blocksize = 4096
 inode_size = 256
 inode_ratio = 16384
[fs_types]
 ext4 = {
  features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
 }
`;

/**
 * An ext4 that holds `image0`, `image1`, …, each `capacity` bytes of initialised extents, and nothing else; {@link nameStoreFilesCommand} comes after it.
 *
 * The files are zero and the blocks of their data are holes of the file, yet overwriting them changes no metadata: not with
 * `mke2fs -d` (it skips zeros) nor with `fallocate` (it marks extents as unwritten), only with mke2fs's "huge files".
 * All metadata is in front and there are no backup superblocks, so that each file is one contiguous run of blocks.
 *
 * @param config path of a file with {@link storeConfig}
 */
export const mke2fsStoreCommand = (volume: Ext4Volume, config: string, sha256: Sha256): Command =>
  mke2fs(
    volume,
    ["-T", "store", "-N", "64", "-J", "size=4"],
    [...inFile(volume), "packed_meta_blocks=1", "num_backup_sb=0"],
    { MKE2FS_CONFIG: config },
    sha256,
  );

/** Gives the files their names, and says where they are: {@link storePiecesOf} reads the answer. */
export function nameStoreFilesCommand({ file, offset, time }: Ext4Volume, names: readonly string[]): Command {
  const requests = [...namingRequests(names), ...names.map((name) => `dump_extents -l /${name}`), ""];
  return { argv: ["debugfs", "-w", "-f", "-", `${file}?offset=${offset}`], env: clock(time), stdin: requests.join("\n") };
}

/**
 * Where each file's bytes are, counted like the volume's offset.
 *
 * @param stdout of {@link nameStoreFilesCommand}
 * @throws AppError `EXT4_UNEXPECTED` unless every byte is a written block
 */
export function storePiecesOf(
  stdout: string,
  { offset }: Pick<Ext4Volume, "offset">,
  { names, capacity }: StoreFiles,
): Piece[][] {
  const answers = stdout.split(/^debugfs: .*$/m).slice(namingRequests(names).length + 1);
  return names.map((name, i) => piecesOf(name, answers[i] ?? "", offset, capacity));
}

/**
 * Leaves of debugfs's `dump_extents`: level/depth, entry/entries, first - last logical block, first - last physical block, length, flags.
 *
 * @throws AppError `EXT4_UNEXPECTED` unless the leaves cover the file once, in order, all initialised
 */
export function piecesOf(name: string, text: string, offset: Bytes, capacity: Bytes): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  for (const line of text.split("\n")) {
    const leaf = /^\s*\d+\/\s*\d+\s+\d+\/\s*\d+\s+(\d+)\s*-\s*(\d+)\s+(\d+)\s*-\s*(\d+)\s+(\d+)\s*(\S*)\s*$/.exec(line);
    if (!leaf) continue;
    const [logical, , physical, , blocks] = leaf.slice(1, 6).map(Number) as [number, number, number, number, number];
    if (logical * EXT4_BLOCK !== done || leaf[6] !== "") break;
    pieces.push({ from: done, length: blocks * EXT4_BLOCK, to: offset + physical * EXT4_BLOCK });
    done += blocks * EXT4_BLOCK;
  }
  if (done !== capacity) throw new AppError("EXT4_UNEXPECTED", `${name} has ${done} of ${capacity} bytes as written blocks`);
  return pieces;
}

/**
 * Everything but the files' own bytes, in the order in which it can be written over whatever was there: in front the superblock's block, which comes last
 * and makes the rest a file system.
 *
 * @param size of the whole, from its start on
 * @param files where their bytes are, from the same start
 */
export function storeMetadata(
  size: Bytes,
  files: readonly Piece[],
): { readonly superblock: Extent; readonly rest: readonly Extent[] } {
  const superblock = { start: 0, size: EXT4_BLOCK };
  const rest: Extent[] = [];
  let at = EXT4_BLOCK;
  for (const { to, length } of files.toSorted((one, other) => one.to - other.to)) {
    if (to > at) rest.push({ start: at, size: to - at });
    at = to + length;
  }
  if (size > at) rest.push({ start: at, size: size - at });
  return { superblock, rest };
}

/** mke2fs.conf(5): features that GRUB 2.12 reads and every kernel since 4.x writes; the huge files are image0, image1, … */
export const storeConfig = ({ names, capacity }: StoreFiles): string => `[defaults]
 base_features = ext_attr,filetype,large_file,sparse_super2
[fs_types]
 ext4 = {
  features = has_journal,extent,flex_bg,64bit,extra_isize,metadata_csum
 }
 store = {
  make_hugefiles = true
  num_hugefiles = ${names.length}
  hugefiles_dir = /
  hugefiles_name = image
  hugefiles_digits = 1
  hugefiles_size = ${capacity / KiB}K
  hugefiles_align = 1M
  hugefiles_align_disk = true
  hugefiles_uid = 0
  hugefiles_gid = 0
  zero_hugefiles = false
 }
`;

const namingRequests = (names: readonly string[]): string[] =>
  names.flatMap((name, i) => [`ln /image${i} /${name}`, `unlink /image${i}`]);

function mke2fs(
  { file, size, label, partition, time }: Ext4Volume,
  options: readonly string[],
  extended: readonly string[],
  env: Readonly<Record<string, string>>,
  sha256: Sha256,
): Command {
  const derive = (what: string): Guid =>
    guidFromHex(hex(sha256.digest(new TextEncoder().encode(`petrify ${what} ${partition}`))).slice(0, 32));
  const more = [`hash_seed=${derive("hash seed")}`, "root_owner=0:0", ...extended];
  return {
    argv: [
      ...(["mke2fs", "-q", "-F", "-t", "ext4", "-b", String(EXT4_BLOCK), "-I", "256", "-m", "0"] as const),
      ...["-L", label, "-U", derive("file system"), "-E", more.join(","), ...options, file, `${size / KiB}k`],
    ],
    env: { ...clock(time), ...env },
  };
}

/** The storage is a file of holes: writing zeros for inode tables and the journal would only fill it, now or at the first mount. */
const inFile = ({ offset }: Ext4Volume): readonly string[] => [`offset=${offset}`, "assume_storage_prezeroed=1"];

const clock = (time: number): Record<string, string> => ({ SOURCE_DATE_EPOCH: String(time), E2FSPROGS_FAKE_TIME: String(time) });
