/** ext4 file systems in sparse files: only what is not zero takes room. docs/formats/disk.md */
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Bytes } from "../core/units.ts";
import {
  mke2fsCommand,
  mke2fsStoreCommand,
  nameStoreFilesCommand,
  storeConfig,
  storePiecesOf,
  type Command,
  type Ext4Volume,
  type StoreFiles,
} from "../layout/mke2fs.ts";
import type { Piece } from "../layout/patch.ts";
import type { Run } from "./run.ts";
import { sha256 } from "./sha256.ts";

export interface Ext4Means {
  readonly run: Run;
  /** Folder of mke2fs and debugfs. */
  readonly programs: string;
  readonly signal: AbortSignal;
}
/** A file system that fills its file. */
export type Ext4File = Pick<Ext4Volume, "label" | "partition" | "time" | "size"> & {
  /** Of the file, which is made. */
  readonly path: string;
};

/** A file system that may grow. @param from folder with what is in it; default: nothing @throws CommandError */
export async function makeExt4File(means: Ext4Means, file: Ext4File, from?: string): Promise<void> {
  await call(means, mke2fsCommand(await volumeOf(file), sha256, from));
}

/**
 * One for image files, each of which has its capacity as written blocks; with its configuration beside it, `PATH.conf`.
 *
 * @returns where each file's bytes are
 * @throws CommandError; AppError `EXT4_UNEXPECTED`
 */
export async function makeStoreFile(
  means: Ext4Means,
  file: Ext4File,
  files: StoreFiles,
): Promise<{ readonly path: string; readonly pieces: readonly Piece[][] }> {
  const volume = await volumeOf(file);
  const config = `${file.path}.conf`;
  await writeFile(config, storeConfig(files));
  await call(means, mke2fsStoreCommand(volume, config, sha256));
  const pieces = storePiecesOf(await call(means, nameStoreFilesCommand(volume, files.names)), volume, files);
  return { path: file.path, pieces };
}

async function volumeOf({ path, ...rest }: Ext4File): Promise<Ext4Volume> {
  await sparseFile(path, rest.size);
  return { ...rest, file: path, offset: 0 };
}

async function sparseFile(path: string, size: Bytes): Promise<void> {
  await writeFile(path, "");
  await truncate(path, size);
}

const call = async ({ run, programs, signal }: Ext4Means, { argv: [name, ...args], ...options }: Command): Promise<string> =>
  (await run([join(programs, name), ...args], { ...options, signal })).stdout;
