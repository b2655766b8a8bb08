import { openDirect } from "../host/direct-read.ts";
import { sha256 } from "../host/sha256.ts";
import { petrifyDisk } from "../release/petrify-disk.ts";

/**
 * A phrase such as `my-os 0.1.0, a disk of petrify's`.
 *
 * @param path a block device, or a raw file
 * @returns nothing when it is no disk of petrify's
 * @throws NodeJS.ErrnoException when it cannot be opened
 */
export async function petrifyDiskOn(path: string): Promise<string | undefined> {
  await using disk = await openDirect(path);
  return (await petrifyDisk(disk, sha256))?.name;
}
