import { join } from "node:path";
import { openDirect } from "../host/direct-read.ts";
import { makeFolder } from "../host/files.ts";
import { partialFile } from "../host/partial-file.ts";
import { GiB, MiB, type Bytes } from "../core/units.ts";
import type { Tools } from "../host/tools.ts";
import { encodeLoaderKit, loaderPlaces, nonZeroPieces } from "../layout/loader-kit.ts";
import type { Patch } from "../layout/patch.ts";
import { encodeTries } from "../layout/tries.ts";
import { efiVolume } from "./disk.ts";
import { makeFat } from "./fat-volume.ts";
import { buildGrub } from "./grub.ts";

/** mkfs.vfat derives a number of heads, which nobody reads here, from the size of the disk: from 32 GiB on it is always the same. */
const DISK_SIZE: Bytes = 33 * GiB;
const ZEROS = new Uint8Array(MiB);
const ANY_VOLUME = "00000000";

/**
 * What an image needs to make a disk bootable without any tool: see loader-kit.ts of src/layout.
 *
 * @param work an existing folder; the caller removes it
 */
export async function makeLoaderKit(
  tools: Tools,
  { slotSize, time, work }: { readonly slotSize: Bytes | undefined; readonly time: number; readonly work: string },
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { bios, efi } = loaderPlaces();
  const folder = join(work, "loader-kit");
  await makeFolder(folder);
  const { biosPatches, espFiles } = await buildGrub(tools, { biosPartition: bios, work: folder, signal });
  await using disk = await partialFile(join(folder, "disk"), DISK_SIZE);
  const volume = efiVolume({
    file: disk.path,
    place: efi,
    volumeId: ANY_VOLUME,
    files: espFiles,
    tries: encodeTries({ a: 0, b: 0 }),
    time,
  });
  await makeFat(tools, volume, join(folder, "efi"), signal);
  const pieces: Patch[] = [...biosPatches];
  await using made = await openDirect(disk.path);
  for (let at = efi.start; at < efi.start + efi.size; at += MiB) {
    signal?.throwIfAborted();
    const bytes = await made.read(at, MiB);
    if (Buffer.compare(bytes, ZEROS) === 0) continue;
    for (const piece of nonZeroPieces(bytes, at)) {
      const last = pieces.at(-1)!;
      if (last.offset + last.data.length !== piece.offset) pieces.push(piece);
      else pieces[pieces.length - 1] = { offset: last.offset, data: Buffer.concat([last.data, piece.data]) };
    }
  }
  return encodeLoaderKit({ ...(slotSize === undefined ? {} : { slotSize }), pieces });
}
