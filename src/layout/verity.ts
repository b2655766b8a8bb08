/** @portable dm-verity: the superblock of a hash tree, and the table line that the kernel takes. */
import { bytesOfHex, hex } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";

export const VERITY_SUPERBLOCK_SIZE: Bytes = 512;
/** Of the superblock of every image's tree: means nothing, and is fixed, so that the tree can be made from the root file system alone. */
export const VERITY_UUID = "70657472-6966-4920-8000-766572697479";

/** @see {@link https://gitlab.com/cryptsetup/cryptsetup/-/wikis/DMVerity#verity-superblock-format} */
export interface VeritySuperblock {
  /** 32 hexadecimal digits. */
  readonly uuid: string;
  readonly algorithm: string;
  readonly dataBlockSize: Bytes;
  readonly hashBlockSize: Bytes;
  /** Blocks of data that the tree covers. */
  readonly dataBlocks: number;
  /** Hexadecimal digits; empty for none. */
  readonly salt: string;
}

/**
 * Reads the first {@link VERITY_SUPERBLOCK_SIZE} bytes of a hash tree. Nothing here is secret or trusted: with other values than the builder's
 * no block matches the root hash.
 *
 * @throws AppError `VERITY_DAMAGED`
 */
export function decodeVeritySuperblock(bytes: Uint8Array): VeritySuperblock {
  if (bytes.length < VERITY_SUPERBLOCK_SIZE) throw damaged("is cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (text(bytes, 0, 8) !== "verity") throw damaged("has no signature");
  if (view.getUint32(8, true) !== 1 || view.getUint32(12, true) !== 1) throw damaged("has an unknown version");
  const saltSize = view.getUint16(80, true);
  const [dataBlockSize, hashBlockSize] = [view.getUint32(64, true), view.getUint32(68, true)];
  const dataBlocks = Number(view.getBigUint64(72, true));
  const algorithm = text(bytes, 32, 64);
  if (!isBlockSize(dataBlockSize) || !isBlockSize(hashBlockSize)) throw damaged("has an impossible block size");
  if (!Number.isSafeInteger(dataBlocks * dataBlockSize) || dataBlocks === 0)
    throw damaged("covers an impossible number of blocks");
  if (saltSize > 256) throw damaged("has an impossible salt");
  if (!/^[a-z0-9_-]+$/.test(algorithm)) throw damaged("names no hash algorithm");
  const salt = hex(bytes.subarray(88, 88 + saltSize));
  return { uuid: hex(bytes.subarray(16, 32)), algorithm, dataBlockSize, hashBlockSize, dataBlocks, salt };
}

/** The {@link VERITY_SUPERBLOCK_SIZE} bytes that `veritysetup format` writes; the rest of the first hash block is zero. */
export function encodeVeritySuperblock(superblock: VeritySuperblock): Uint8Array {
  const { uuid, algorithm, dataBlockSize, hashBlockSize, dataBlocks, salt } = superblock;
  const bytes = new Uint8Array(VERITY_SUPERBLOCK_SIZE);
  const view = new DataView(bytes.buffer);
  const put = (at: number, characters: string): void =>
    bytes.set(
      Array.from(characters, (one) => one.charCodeAt(0)),
      at,
    );
  put(0, "verity");
  view.setUint32(8, 1, true);
  view.setUint32(12, 1, true);
  bytes.set(bytesOfHex(uuid), 16);
  put(32, algorithm);
  view.setUint32(64, dataBlockSize, true);
  view.setUint32(68, hashBlockSize, true);
  view.setBigUint64(72, BigInt(dataBlocks), true);
  view.setUint16(80, salt.length / 2, true);
  bytes.set(bytesOfHex(salt), 88);
  return bytes;
}

export interface VerityTable {
  /** Length of the mapped device, in sectors of 512 bytes as everywhere in device-mapper. */
  readonly sectors: number;
  /** Parameters of the `verity` target. */
  readonly parameters: string;
}

/**
 * The table of a device that reads `data` checked by `hash`.
 *
 * @param devices paths or `major:minor`
 * @param options such as `restart_on_corruption`
 * @see {@link https://docs.kernel.org/admin-guide/device-mapper/verity.html}
 */
export function verityTable(
  superblock: VeritySuperblock,
  rootHash: string,
  devices: { readonly data: string; readonly hash: string },
  options: readonly string[],
): VerityTable {
  const { algorithm, dataBlockSize, hashBlockSize, dataBlocks, salt } = superblock;
  const treeStart = 1; // the superblock fills the first hash block
  const words = [
    1,
    devices.data,
    devices.hash,
    dataBlockSize,
    hashBlockSize,
    dataBlocks,
    treeStart,
    algorithm,
    rootHash,
    salt || "-",
  ];
  const optional = options.length > 0 ? [options.length, ...options] : [];
  return { sectors: (dataBlocks * dataBlockSize) / 512, parameters: [...words, ...optional].join(" ") };
}

const isBlockSize = (size: number): boolean => size >= 512 && size <= 65536 && (size & (size - 1)) === 0;

function text(bytes: Uint8Array, from: number, to: number): string {
  const field = bytes.subarray(from, to);
  const end = field.indexOf(0);
  return String.fromCharCode(...field.subarray(0, end < 0 ? field.length : end));
}

const damaged = (what: string): AppError => new AppError("VERITY_DAMAGED", `the superblock of the hash tree ${what}`);
