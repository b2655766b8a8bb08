import { join } from "node:path";
import { writeBytes } from "../host/partial-file.ts";
import { sha256 } from "../host/sha256.ts";
import type { Bind, Tools } from "../host/tools.ts";
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

/** Where the programs see the volume's file and their configuration. */
const VOLUME = "/tmp/disk";
const CONFIG = "/tmp/mke2fs.conf";

/** An empty ext4 that may grow. */
export async function makeExt4(tools: Tools, volume: Ext4Volume, signal?: AbortSignal): Promise<void> {
  await run(tools, volume, mke2fsCommand({ ...volume, file: VOLUME }, sha256), [], signal);
}

/**
 * An ext4 that holds nothing but files of initialised extents, all zero.
 *
 * @param work an existing folder for the configuration
 * @returns where each file's bytes are in the host's file
 */
export async function makeImageStore(
  tools: Tools,
  volume: Ext4Volume,
  files: StoreFiles,
  work: string,
  signal?: AbortSignal,
): Promise<Piece[][]> {
  const config = join(work, `mke2fs-${volume.label}.conf`);
  await writeBytes(config, storeConfig(files));
  const inside = { ...volume, file: VOLUME };
  await run(tools, volume, mke2fsStoreCommand(inside, CONFIG, sha256), [{ source: config, target: CONFIG }], signal);
  const { stdout } = await run(tools, volume, nameStoreFilesCommand(inside, files.names), [], signal);
  return storePiecesOf(stdout, volume, files);
}

const run = async (
  tools: Tools,
  { file }: Ext4Volume,
  { argv, ...options }: Command,
  binds: readonly Bind[],
  signal: AbortSignal | undefined,
) => await tools.run(argv, { ...options, binds: [{ source: file, target: VOLUME, writable: true }, ...binds], signal });
