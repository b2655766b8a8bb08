import { dirname } from "node:path";
import { diskOfImage } from "../build/image-disk.ts";
import { netbootOfImage } from "../build/netboot.ts";
import { readManifest } from "../build/read-manifest.ts";
import type { DiskFor, NetbootFor } from "./run.ts";

/** The disk that `petrify run IMAGE` boots: as small as the image allows. */
export const diskFor: DiskFor = async (image, output, tools, { random, signal, progress }) => {
  await progress.step("put the image on a temporary disk", async () => {
    const manifest = await readManifest(tools, image, signal);
    const request = { image, manifest, format: "raw", work: dirname(output) } as const;
    await diskOfImage(request, output, { tools, random, signal });
  });
};

/** What `petrify run IMAGE --ram` boots. */
export const netbootFor: NetbootFor = async (image, folder, tools, { signal, progress }) =>
  await progress.step("put the image into an initrd", async () => await netbootOfImage(tools, image, folder, signal));
