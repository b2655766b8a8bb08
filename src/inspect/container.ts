/** The plain container image of a system image, made of its root file system alone: the same image gives the same bytes. */
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { removeFile } from "../host/files.ts";
import { gzipFile } from "../host/gzip-file.ts";
import { sha256 } from "../host/sha256.ts";
import { readStream, writeStream } from "../host/stream-file.ts";
import { byteText } from "../layout/byte-text.ts";
import type { TreeNode } from "../layout/erofs-tree.ts";
import { imageConfig, imageManifest, OCI_MEDIA, type ContainerFacts, type Descriptor } from "../layout/oci-image.ts";
import { encodeTarHeader, TAR_END, tarPadding, type TarEntry, type TarType } from "../layout/tar-entry.ts";
import { descriptorOf } from "../release/oci-artifact.ts";
import type { ImageTree } from "./image-tree.ts";
import type { OpenedImage } from "./open-image.ts";
import { initOf } from "./units.ts";

export interface ContainerImage {
  readonly manifest: Uint8Array;
  /** Of its config and its layer; good while the image is open. */
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly source: (from: number) => AsyncIterable<Uint8Array> }[];
}

/**
 * One layer of everything in the root file system. The kernel is in the boot partition, so it is not here; its modules are.
 *
 * Takes as much room beside the cache as the root file system has.
 *
 * @throws AppError `CONTAINER_UNFIT`
 */
export async function containerOfImage(
  { tree, manifest, work }: OpenedImage,
  signal: AbortSignal | undefined,
): Promise<ContainerImage> {
  const { name, version, created, rootHash } = manifest;
  const folder = await work();
  const [tar, packed] = [join(folder, "container.tar"), join(folder, "container.tar.gz")];
  await writeStream(tar, layerOf(tree, created), signal);
  const layer = await gzipFile(tar, packed, signal);
  await removeFile(tar);
  const layerAt = { mediaType: OCI_MEDIA.layer, digest: `sha256:${layer.packed}`, size: layer.size };
  const facts: ContainerFacts = { name, version, created, rootHash, ...processOne(tree) };
  const config = new TextEncoder().encode(imageConfig(facts, `sha256:${layer.plain}`));
  const configAt = descriptorOf(OCI_MEDIA.config, config, sha256);
  return {
    manifest: new TextEncoder().encode(imageManifest(facts, configAt, [layerAt])),
    blobs: [
      {
        descriptor: configAt,
        source: async function* (from) {
          yield config.subarray(from);
        },
      },
      { descriptor: layerAt, source: (from) => readStream(packed, { start: from }) },
    ],
  };
}

/** Source for the signal: systemd(1), "Signals". */
function processOne(tree: ImageTree): Pick<ContainerFacts, "init" | "stopSignal"> {
  const systemd = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"].find((path) => tree.find(path));
  const init = tree.find("/sbin/init") || systemd === undefined ? "/sbin/init" : systemd;
  return { init, ...(initOf(tree) === "systemd" ? { stopSignal: "SIGRTMIN+3" } : {}) };
}

const TYPES: Readonly<Record<Exclude<TreeNode["kind"], "socket">, TarType>> = {
  ...{ file: "file", folder: "folder", link: "symlink", character: "character", block: "block", fifo: "fifo" },
};

async function* layerOf(tree: ImageTree, mtime: number): AsyncGenerator<Uint8Array> {
  const seen = new Map<number, string>();
  for (const node of tree.nodes.values()) {
    if (node.kind === "socket") continue; // no tar has them
    const { path, nid, kind, mode, uid, gid, links } = node;
    refuseWhiteout(path);
    const name = path === "/" ? "./" : bytesOf(path.slice(1));
    const first = kind === "folder" ? undefined : seen.get(nid);
    if (links > 1 && first === undefined) seen.set(nid, name);
    const common = { name, mode, uid, gid, mtime };
    if (first !== undefined) {
      yield encodeTarHeader({ ...common, type: "hardLink", target: first, size: 0, device: [0, 0], attributes: [] });
      continue;
    }
    const size = kind === "file" ? node.size : 0;
    const attributes = [...tree.attributes(node)].map(([key, value]) => [bytesOf(key), value] as const);
    const target = bytesOf(node.target ?? "");
    const entry: TarEntry = { ...common, type: TYPES[kind], target, size, device: deviceOf(node.device), attributes };
    yield encodeTarHeader(entry);
    if (kind !== "file") continue;
    yield* tree.contents(node);
    yield tarPadding(size);
  }
  yield TAR_END;
}

/** In a layer such a name says what is gone. Source: OCI image-spec 1.1, layer.md, "Whiteouts" */
function refuseWhiteout(path: string): void {
  if (!path.slice(path.lastIndexOf("/") + 1).startsWith(".wh.")) return;
  throw new AppError("CONTAINER_UNFIT", `${path} of the image would be read as a whiteout in a container image`, {
    hint: "Give it another name, or leave the container image out: --no-container.",
  });
}

/** Source: Linux, include/linux/kdev_t.h, `new_decode_dev` */
const deviceOf = (device = 0): readonly [number, number] => [
  (device >>> 8) & 0xfff,
  (device & 0xff) | ((device >>> 12) & 0xfff00),
];
const bytesOf = (text: string): string => byteText(new TextEncoder().encode(text));
