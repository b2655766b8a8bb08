import { createHash } from "node:crypto";
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { KiB, type Bytes } from "../core/units.ts";
import { writeBytes } from "../host/partial-file.ts";
import type { Piece } from "../host/sparse.ts";
import type { Tools } from "../host/tools.ts";
import { guidFromHex, type Guid } from "../layout/guid.ts";

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

const BLOCK: Bytes = 4 * KiB;
/** GRUB 2.12 reads neither: a checksum seed apart from the UUID, a file of orphans. */
const NOT_FOR_GRUB = "^metadata_csum_seed,^orphan_file";

/** An empty ext4, with the shape of one that is as large as what it may grow to: mke2fs would make a small one for few large files. */
export async function makeExt4(tools: Tools, volume: Ext4Volume, signal?: AbortSignal): Promise<void> {
  await mke2fs(tools, volume, ["-O", NOT_FOR_GRUB, "-T", "default"], {}, signal);
}

/**
 * An ext4 that holds `names` (in its root folder), each `capacity` bytes of initialised extents, and nothing else.
 *
 * The files are zero and the blocks of their data are holes of the host's file, yet overwriting them changes no metadata: not with
 * `mke2fs -d` (it skips zeros) nor with `fallocate` (it marks extents as unwritten), only with mke2fs's "huge files".
 * All metadata is in front and there are no backup superblocks, so that each file is one contiguous run of blocks.
 *
 * @returns where each file's bytes are in the host's file
 */
export async function makeImageStore(
  tools: Tools,
  volume: Ext4Volume,
  { names, capacity }: { readonly names: readonly string[]; readonly capacity: Bytes },
  work: string,
  signal?: AbortSignal,
): Promise<Piece[][]> {
  const config = join(work, `mke2fs-${volume.label}.conf`);
  await writeBytes(config, storeConfig(names.length, capacity));
  const options = ["-T", "store", "-N", "64", "-J", "size=4"];
  await mke2fs(tools, volume, options, { config, extended: ["packed_meta_blocks=1", "num_backup_sb=0"] }, signal);
  const requests = names.flatMap((name, i) => [`ln /image${i} /${name}`, `unlink /image${i}`]);
  const { stdout } = await tools.run(["debugfs", "-w", "-f", "-", `/tmp/disk?offset=${volume.offset}`], {
    binds: [{ source: volume.file, target: "/tmp/disk", writable: true }],
    env: clock(volume.time),
    stdin: [...requests, ...names.map((name) => `dump_extents -l /${name}`), ""].join("\n"),
    signal,
  });
  const answers = stdout.split(/^debugfs: .*$/m).slice(requests.length + 1);
  return names.map((name, i) => piecesOf(name, answers[i] ?? "", volume.offset, capacity));
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
    if (logical * BLOCK !== done || leaf[6] !== "") break;
    pieces.push({ from: done, length: blocks * BLOCK, to: offset + physical * BLOCK });
    done += blocks * BLOCK;
  }
  if (done !== capacity) throw new AppError("EXT4_UNEXPECTED", `${name} has ${done} of ${capacity} bytes as written blocks`);
  return pieces;
}

async function mke2fs(
  tools: Tools,
  { file, offset, size, label, partition, time }: Ext4Volume,
  options: readonly string[],
  { config, extended = [] }: { readonly config?: string; readonly extended?: readonly string[] },
  signal?: AbortSignal,
): Promise<void> {
  const derive = (what: string): Guid =>
    guidFromHex(createHash("sha256").update(`petrify ${what} ${partition}`).digest("hex").slice(0, 32));
  // The storage is a file of holes: writing zeros for inode tables and the journal would only fill it, now or at the first mount.
  const more = [
    `offset=${offset}`,
    `hash_seed=${derive("hash seed")}`,
    "root_owner=0:0",
    "assume_storage_prezeroed=1",
    ...extended,
  ];
  await tools.run(
    [
      ...(["mke2fs", "-q", "-F", "-t", "ext4", "-b", String(BLOCK), "-I", "256", "-m", "0"] as const),
      ...["-L", label, "-U", derive("file system"), "-E", more.join(","), ...options, "/tmp/disk", `${size / KiB}k`],
    ],
    {
      binds: [
        { source: file, target: "/tmp/disk", writable: true },
        ...(config ? [{ source: config, target: "/tmp/mke2fs.conf" }] : []),
      ],
      env: { ...clock(time), ...(config ? { MKE2FS_CONFIG: "/tmp/mke2fs.conf" } : {}) },
      signal,
    },
  );
}

const clock = (time: number): Record<string, string> => ({ SOURCE_DATE_EPOCH: String(time), E2FSPROGS_FAKE_TIME: String(time) });

/** mke2fs.conf(5): features that GRUB 2.12 reads and every kernel since 4.x writes; the huge files are image0, image1, … */
const storeConfig = (files: number, capacity: Bytes): string => `[defaults]
 base_features = ext_attr,filetype,large_file,sparse_super2
[fs_types]
 ext4 = {
  features = has_journal,extent,flex_bg,64bit,extra_isize,metadata_csum
 }
 store = {
  make_hugefiles = true
  num_hugefiles = ${files}
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
