import { dirname } from "node:path";
import { defaultSlotSize } from "../layout/disk.ts";
import { diskOfImage } from "../build/image-disk.ts";
import { makeConfigVolume } from "../build/config-volume.ts";
import { netbootOfImage } from "../build/netboot.ts";
import { readManifest, type StoredManifest } from "../build/read-manifest.ts";
import type { ConfigVolumeFor } from "./machine-config-option.ts";
import type { DiskFor, NetbootFor } from "./run.ts";
import type { TestDiskFor } from "./test-image.ts";
import type { VmDiskFor } from "./vm/create.ts";

/** The disk that `petrify run IMAGE` boots: as small as the image allows. */
export const diskFor: DiskFor = async (image, output, tools, { random, signal, progress }) => {
  await progress.step("put the image on a temporary disk", async () => {
    await diskOfImage({ image, work: dirname(output) }, [{ format: "raw", path: output }], { tools, random, signal });
  });
};

/** What `petrify run IMAGE --ram` boots. */
export const netbootFor: NetbootFor = async (image, folder, tools, { signal, progress }) =>
  await progress.step("put the image into an initrd", async () => await netbootOfImage(tools, image, folder, signal));

/** The volume that a machine finds its config on: `--config`. */
export const configVolumeFor: ConfigVolumeFor = async (volume, tools, { signal }) =>
  await makeConfigVolume(tools, volume, signal);

/** The disk that `petrify test` boots: the old image in slot a, and slots that have room for both. */
export const testDiskFor: TestDiskFor = async ({ from, image }, output, tools, { random, signal, progress }) =>
  await progress.step("put the image on a temporary disk", async () => {
    const [old, other] = [await readManifest(tools, from, signal), await readManifest(tools, image, signal)];
    const slotSize = defaultSlotSize(Math.max(...[old, other].map(({ manifest }) => manifest.sizes.image)));
    const request = { image: from, slotSize, work: dirname(output) } as const;
    await diskOfImage(request, [{ format: "raw", path: output }], { tools, random, signal });
    const factsOf = ({ manifest: { name, version }, digest }: StoredManifest) => ({ name, version, digest });
    return { from: factsOf(old), image: factsOf(other) };
  });

/** The disk of a VM that is made of an image. */
export const vmDiskFor: VmDiskFor = async ({ image, diskSize, work, output }, tools, { random, signal, progress }) =>
  await progress.step("put the image on a disk", async () => {
    const { manifest } = await readManifest(tools, image, signal);
    await diskOfImage({ image, diskSize, work }, [{ format: "raw", path: output }], { tools, random, signal });
    return { name: manifest.name, version: manifest.version };
  });
