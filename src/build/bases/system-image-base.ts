import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { AppError } from "../../core/error.ts";
import type { BaseSource } from "../../config/base.ts";
import { fileExists, makeFolder, moveInto } from "../../host/files.ts";
import { openImage } from "../../host/image-file.ts";
import { rootFs, type RootFs } from "../../host/rootfs.ts";
import { sha256 } from "../../host/sha256.ts";
import { readStream, writeStream } from "../../host/stream-file.ts";
import { byteText, bytesOfText, type ByteText } from "../../layout/byte-text.ts";
import { erofsTree } from "../../layout/erofs-tree.ts";
import { erofsName, openErofs } from "../../layout/erofs.ts";
import { decodeGpt } from "../../layout/gpt.ts";
import { BOOT_FILES, SYSTEM_IMAGE_SECTOR, systemImageParts } from "../../layout/system-image.ts";
import type { Attribute } from "../../layout/tar-entry.ts";
import type { Manifest } from "../../release/manifest.ts";
import { verifyImage } from "../../release/verify-image.ts";
import type { Base, BaseRequest } from "../base.ts";
import type { BuildContext } from "../context.ts";
import { readManifest } from "../read-manifest.ts";
import { rewritten } from "./attributed-tar.ts";

/** Raised when the steps below change: bases of older builds are then made again. */
const FORMAT = 2;
/** What the next build puts in anew, so that nothing of an older petrify stays. */
const OWN = ["/usr/lib/petrify"];

/**
 * The base that a system image makes: its root file system, with the kernel of its boot partition beside the modules.
 *
 * The image is verified first, every byte of it.
 *
 * @throws AppError `BASE_MISSING`, `BASE_DAMAGED`, `BASE_INVALID`
 */
export async function systemImageBase(
  { path }: Extract<BaseSource, { kind: "image" }>,
  { recipeFolder, lock, renew, work }: BaseRequest,
  context: BuildContext,
): Promise<Base> {
  const { tools, cacheFolder, progress, signal } = context;
  const at = resolve(recipeFolder, path);
  if (!(await fileExists(at))) {
    throw new AppError("BASE_MISSING", `there is no system image at ${at}`, {
      hint: `Build it first. Paths are relative to the recipe: ${recipeFolder}.`,
    });
  }
  const { manifest, digest } = await readManifest(tools, at, signal).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw new AppError("BASE_INVALID", `${at} is not a system image of petrify: ${(cause as Error).message}`, {
      hint: "Name an image (.img) that `petrify build` wrote.",
      cause,
    });
  });
  const made: Base = { tar: "", time: manifest.created, inputs: `sha256:${digest}`, packages: [] };
  if (lock && lock.inputs !== made.inputs && !renew) progress.note("the base has changed since petrify.lock");
  const key = createHash("sha256")
    .update(JSON.stringify([FORMAT, tools.id, digest]))
    .digest("hex");
  const cached = join(cacheFolder, "bases", `image-${key.slice(0, 32)}.tar`);
  if (await fileExists(cached)) return { ...made, tar: cached };
  await progress.step(`take the system out of ${manifest.name} ${manifest.version}`, async (note) => {
    note("verifying");
    await refuseDamaged(at, digest, signal);
    note("extracting");
    const folder = join(work, "image");
    const [plain, tar] = ["plain.tar", "image.tar"].map((name) => join(work, name)) as [string, string];
    await extract(at, manifest, folder, context);
    note("packing");
    await tools.run(["tar", "--create", `--file=${plain}`, `--directory=${folder}`, "--sort=name", "--numeric-owner", "."], {
      binds: [{ source: work, writable: true }],
      anyOwner: true,
      signal,
    });
    await tools.run(["rm", "--recursive", "--", folder], {
      binds: [{ source: work, writable: true }],
      ...{ anyOwner: true, signal },
    });
    await writeAttributed(at, plain, tar, signal);
    await moveInto(tar, cached);
  });
  return { ...made, tar: cached };
}

async function refuseDamaged(path: string, digest: string, signal: AbortSignal | undefined): Promise<void> {
  using file = openImage(path);
  const image = {
    size: file.size,
    read: async (offset: number, length: number) => await Promise.resolve(file.read(offset, length)),
  };
  const verdict = await verifyImage({ image, sha256, digest, signal });
  if (verdict.ok) return;
  throw new AppError("BASE_DAMAGED", `${path} is damaged: ${verdict.damage.what}`, { hint: "Fetch or build the image again." });
}

async function extract(path: string, manifest: Manifest, folder: string, { tools, signal }: BuildContext): Promise<void> {
  using file = openImage(path);
  const { root, boot } = systemImageParts(decodeGpt(file.read, file.size, SYSTEM_IMAGE_SECTOR));
  await makeFolder(folder);
  const options = { binds: [{ source: path }, { source: folder, writable: true }], anyOwner: true, signal };
  const argv = [
    "fsck.erofs",
    "-d1",
    `--offset=${root.start}`,
    `--extract=${folder}`,
    "--overwrite",
    "--preserve",
    "--no-xattrs",
    path,
  ];
  await tools.run(argv as [string, ...string[]], options);
  const fs = rootFs(folder);
  for (const own of OWN)
    await tools.run(["rm", "--recursive", "--force", "--", await fs.resolve(own, { keepLast: true })], options);
  const vmlinuz = join(await modulesFolder(fs, manifest.kernel), "vmlinuz");
  await tools.run(["mkdir", "--parents", join(vmlinuz, "..")], options);
  await tools.run(["mcopy", "-n", "-i", `${path}@@${boot.start}`, `::${BOOT_FILES.kernel}`, vmlinuz], options);
}

/**
 * Gives a tar the extended attributes that the image has.
 *
 * fsck.erofs would set a file's owner after its capabilities, which takes these away, and a folder's default ACL before it makes what is
 * in the folder, which then has more than it should.
 */
async function writeAttributed(path: string, plain: string, output: string, signal: AbortSignal | undefined): Promise<void> {
  using file = openImage(path);
  const { root } = systemImageParts(decodeGpt(file.read, file.size, SYSTEM_IMAGE_SECTOR));
  const fs = openErofs((offset, length) => file.read(root.start + offset, length));
  const { nodes } = erofsTree(fs);
  const attributes = (name: ByteText): Attribute[] => {
    const node = nodes.get(`/${erofsName(bytesOfText(name)).replace(/^\.\/?/, "")}`);
    return node ? [...fs.attributes(node.nid)].map(([key, value]) => [byteText(new TextEncoder().encode(key)), value]) : [];
  };
  await writeStream(output, rewritten(plain, readStream(plain, {}, signal), attributes), signal);
}

/** Where a tree has the modules of its kernel, `/usr` merged or not; where they would be when it has none. */
async function modulesFolder(fs: RootFs, version: string): Promise<string> {
  const [first, other] = ["/usr/lib/modules", "/lib/modules"].map((folder) => `${folder}/${version}`) as [string, string];
  return await fs.resolve(!(await fs.exists(first)) && (await fs.exists(other)) ? other : first);
}
