import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { CHECKSUMS, checksumsOf } from "../host/checksum.ts";
import { fileSize, makeFolder, moveInto, sha256File, writeText } from "../host/files.ts";
import { gzipFile } from "../host/gzip-file.ts";
import {
  blobPath,
  imageConfig,
  imageIndex,
  imageManifest,
  INDEX_FILE,
  LAYOUT_FILE,
  OCI_MEDIA,
  tagOfVersion,
  type ContainerFacts,
  type Descriptor,
} from "../layout/oci-image.ts";
import type { Manifest } from "../release/manifest.ts";
import type { BuildContext } from "./context.ts";
import { findInit } from "./image-init.ts";
import type { Tree } from "./tree.ts";

/**
 * The root file system as an OCI image layout with one image of one layer, tagged with its version.
 *
 * The same tree gives the same bytes. Memory does not grow with the tree. The kernel is in the boot partition, so it is not here; its
 * modules are.
 *
 * @param folder in a work folder; is made
 * @throws AppError `CONTAINER_UNFIT`
 */
export async function containerOfTree(
  tree: Tree,
  manifest: Pick<Manifest, "name" | "version" | "created" | "rootHash">,
  folder: string,
  { signal }: Pick<BuildContext, "signal">,
): Promise<void> {
  await refuseWhiteouts(tree);
  const { name, version, created, rootHash } = manifest;
  const facts: ContainerFacts = { name, version, created, rootHash, ...(await initOf(tree)) };
  await makeFolder(join(folder, "blobs/sha256"));
  const tar = `${folder}.tar`;
  const packed = `${folder}.tar.gz`;
  await packLayer(tree, created, tar);
  const layer = await gzipFile(tar, packed, signal);
  await tree.tool(["rm", tar], { binds: [{ source: join(folder, ".."), writable: true }] }); // as large as the system
  const layerAt: Descriptor = { mediaType: OCI_MEDIA.layer, digest: `sha256:${layer.packed}`, size: layer.size };
  await moveInto(packed, join(folder, blobPath(layerAt.digest)));

  const text = async (mediaType: string, document: string): Promise<Descriptor> => {
    const made = `${folder}.document`;
    await writeText(made, document);
    const descriptor = { mediaType, digest: `sha256:${await sha256File(made)}`, size: await fileSize(made) };
    await moveInto(made, join(folder, blobPath(descriptor.digest)));
    return descriptor;
  };
  const config = await text(OCI_MEDIA.config, imageConfig(facts, `sha256:${layer.plain}`));
  const at = await text(OCI_MEDIA.manifest, imageManifest(facts, config, [layerAt]));
  await writeText(join(folder, LAYOUT_FILE.name), LAYOUT_FILE.text);
  await writeText(join(folder, INDEX_FILE), imageIndex(at, tagOfVersion(version)));
  const files = [LAYOUT_FILE.name, INDEX_FILE, ...[at, config, layerAt].map(({ digest }) => blobPath(digest))];
  await writeText(join(folder, CHECKSUMS), await checksumsOf(folder, files, signal));
}

/** In a layer such a name says what is gone. Source: OCI image-spec 1.1, layer.md, "Whiteouts" */
async function refuseWhiteouts({ fs, tool }: Tree): Promise<void> {
  const found = (await tool(["find", fs.folder, "-name", ".wh.*", "-print", "-quit"])).trim();
  if (found === "") return;
  const path = found.slice(fs.folder.length);
  throw new AppError("CONTAINER_UNFIT", `${path} of the image would be read as a whiteout in a container image`, {
    hint: "Give it another name, or leave `container` out of the outputs.",
  });
}

/** Source for the signal: systemd(1), "Signals". The others know none that ends a container; its runtime kills them. */
async function initOf({ fs }: Tree): Promise<Pick<ContainerFacts, "init" | "stopSignal">> {
  const { kind, path } = await findInit(fs);
  return { init: path, ...(kind === "systemd" ? { stopSignal: "SIGRTMIN+3" } : {}) };
}

/** A tar whose bytes depend on nothing but names, owners, modes, attributes and contents. Source: GNU tar manual, "Reproducible Archives" */
async function packLayer({ fs, tool }: Tree, time: number, output: string): Promise<void> {
  const folder = join(output, "..");
  await tool(
    [
      ...(["tar", "--create", `--file=${output}`, `--directory=${fs.folder}`, "--format=pax", "--sort=name"] as const),
      ...["--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime", `--mtime=@${time}`],
      ...["--numeric-owner", "--xattrs", "--xattrs-include=*", "."],
    ],
    { binds: [{ source: folder, writable: true }] },
  );
}
