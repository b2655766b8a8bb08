import { dirname, join } from "node:path";
import type { Bytes } from "../core/units.ts";
import { baseSource } from "../config/base.ts";
import { formatLock, parseLock, type Lock } from "../config/lock.ts";
import type { Recipe } from "../config/recipe.ts";
import { fileExists, makeFolder, placeFile, readText, replaceFolder, writeText } from "../host/files.ts";
import { CHECKSUMS, checksumsOf, placeWithChecksum } from "../host/checksum.ts";
import { writingTo } from "../host/disk-full.ts";
import { replaceFile } from "../host/replace-file.ts";
import { workDir } from "../host/work-dir.ts";
import { imageCommandLine, imageWords } from "../layout/cmdline.ts";
import { planDisk } from "../layout/disk.ts";
import { imageScript } from "../layout/grub-script.ts";
import { SEALED_WORDS } from "../layout/sealed-cmdline.ts";
import { NETBOOT_FILES } from "../layout/netboot.ts";
import { machineLanguage } from "../config/machine/language.ts";
import { formatManifest, type Manifest } from "../release/manifest.ts";
import type { Ids } from "./accounts.ts";
import { openBase } from "./base.ts";
import { cleanTree } from "./clean-tree.ts";
import type { BuildContext } from "./context.ts";
import { containerOfTree } from "./container.ts";
import type { DiskFormat } from "./disk-format.ts";
import { diskOfImage } from "./image-disk.ts";
import { addImageFacts, addRuntime } from "./image-runtime.ts";
import { buildInitrd, microcodeIn } from "./initrd.ts";
import { mediumOfImage, type MediumInput } from "./medium.ts";
import { netbootOfImage, refuseNoRam } from "./netboot.ts";
import { readMachineConfig } from "./read-machine-config.ts";
import { readRecipeFile } from "./read-recipe.ts";
import { packRoot, refuseUnreadable } from "./pack-root.ts";
import { assembleSystemImage } from "./system-image.ts";
import { findInit, refuseOtherInit } from "./image-init.ts";
import { takeKernel } from "./kernel.ts";
import { kernelFlavour, openKernelSource } from "./kernel-source.ts";
import { sealTree } from "./seal/seal-tree.ts";
import { enforcesSelinux, PERMISSIVE } from "./selinux.ts";
import { addRecipeUsers, layFiles, nameImage, refusePrivateKeys, setUnits, unpackBase, type Tree } from "./tree.ts";
import { addTrustedKeys, readTrust } from "./trusted-keys.ts";
import { formatVerity } from "./verity.ts";

export interface BuildRequest {
  readonly recipePath: string;
  readonly outputs: readonly ("image" | "disk" | "iso" | "netboot" | "container")[];
  /** Of the disk: each of them is made, of one and the same disk. */
  readonly formats: readonly DiskFormat[];
  readonly outDir: string;
  /** Path of a machine config that goes onto the medium. */
  readonly config?: string | undefined;
  /** Take the archive's packages of today, whatever the lock says. */
  readonly updateLock: boolean;
}
export interface BuildResult {
  readonly image: string | undefined;
  /** In the first of its forms. */
  readonly disk: string | undefined;
  /** In each of its forms. */
  readonly disks: readonly string[];
  /** A medium for CDs and USB sticks. */
  readonly iso: string | undefined;
  /** Folder with what boots the image from memory. */
  readonly netboot: string | undefined;
  /** That a machine needs to boot the image from memory, where something was made for that. */
  readonly memory: Bytes | undefined;
  /** Folder with the same system as an OCI image layout. */
  readonly container: string | undefined;
  readonly manifest: Manifest;
  /** The smallest disk that the image can be installed on with this recipe's slots. */
  readonly smallestDisk: Bytes;
  readonly seconds: number;
}

/**
 * A recipe becomes a system image and, when asked for, a disk.
 *
 * Outputs and the lock appear whole, by renames, after everything has succeeded; a failure or an abort leaves only caches. The image's
 * bytes depend on the recipe with its files, the lock, and this version of petrify: not on time, place, user, umask or locale.
 */
export async function build(request: BuildRequest, context: BuildContext): Promise<BuildResult> {
  const started = context.clock();
  const { recipePath, outDir } = request;
  const recipe = await readRecipeFile(recipePath);
  const config = request.config === undefined ? undefined : await readMachineConfig(request.config);
  const lockPath = join(dirname(recipePath), "petrify.lock");
  const lock = await readLock(lockPath);
  return await writingTo(`${context.cacheFolder} or ${outDir}`, async () => {
    await using work = await workDir(join(context.cacheFolder, "work"), context.caller, context.run);
    const fromMemory = request.outputs.some((output) => output === "iso" || output === "netboot");
    const input = { recipe, recipeFolder: dirname(recipePath), lock, renew: request.updateLock, fromMemory, work: work.path };
    const made = await buildSystemImage(input, context);
    const { size: smallestDisk } = planDisk({ imageSize: made.manifest.sizes.image, slotSize: recipe.disk.slotSize });
    const placed = await writeOutputs(made, recipe, { ...request, config }, work.path, context);
    if (!lock || formatLock(lock) !== formatLock(made.lock)) await replaceFile(lockPath, formatLock(made.lock));
    return { ...placed, manifest: made.manifest, smallestDisk, seconds: (context.clock() - started) / 1000 };
  });
}

/** The image last: the others can fail, and are made of it. */
async function writeOutputs(
  { image: made, manifest, tree }: MadeImage,
  { name, version, disk: { slotSize, size: diskSize } }: Recipe,
  { outputs, outDir, formats, config }: Pick<BuildRequest, "outputs" | "outDir" | "formats"> & Pick<MediumInput, "config">,
  work: string,
  context: BuildContext,
): Promise<Pick<BuildResult, "image" | "disk" | "disks" | "iso" | "netboot" | "memory" | "container">> {
  await makeFolder(outDir);
  const place = (suffix: string): string => join(outDir, `${name}-${version}.${suffix}`);
  const disks = outputs.includes("disk") ? formats.map((format) => ({ format, path: place(format), checksum: true })) : [];
  const image = outputs.includes("image") ? place("img") : undefined;
  if (disks.length > 0) {
    await context.progress.step(`make the disk (${formats.join(", ")})`, async () => {
      await diskOfImage({ image: made, slotSize, diskSize, work }, disks, context);
    });
  }
  const netboot = outputs.includes("netboot") ? place("netboot") : undefined;
  let memory: Bytes | undefined;
  if (netboot) {
    await context.progress.step("make the files for a boot from memory", async () => {
      const folder = join(work, "netboot");
      ({ memory } = await netbootOfImage(context.tools, made, folder, context.signal));
      await writeText(join(folder, CHECKSUMS), await checksumsOf(folder, Object.values(NETBOOT_FILES), context.signal));
      await replaceFolder(folder, netboot);
    });
  }
  const iso = outputs.includes("iso") ? place("iso") : undefined;
  if (iso) {
    const programs = { tools: context.tools, media: await context.mediaTools() };
    await context.progress.step("make the medium", async () => {
      const file = join(work, "medium.iso");
      ({ memory } = await mediumOfImage(programs, { image: made, slotSize, config }, file, work, context.signal));
      await placeWithChecksum(file, iso, async () => await placeFile(file, iso), context.signal);
    });
  }
  const container = outputs.includes("container") ? place("oci") : undefined;
  if (container) {
    await context.progress.step("make the container image", async () => {
      const folder = join(work, "container");
      await containerOfTree(tree, manifest, folder, context);
      await replaceFolder(folder, container);
    });
  }
  if (image) {
    await placeWithChecksum(made, image, async () => await placeFile(made, image), context.signal);
    await replaceFile(place("manifest.json"), formatManifest(manifest));
  }
  const paths = disks.map(({ path }) => path);
  return { image, disk: paths[0], disks: paths, iso, netboot, memory, container };
}

interface ImageInput {
  readonly recipe: Recipe;
  /** Where the recipe's own files are. */
  readonly recipeFolder: string;
  readonly lock: Lock | undefined;
  readonly renew: boolean;
  /** Something is going to be made of it that boots from memory. */
  readonly fromMemory: boolean;
  readonly work: string;
}
interface MadeImage {
  readonly image: string;
  readonly manifest: Manifest;
  readonly lock: Lock;
  /** What the root file system was made of. */
  readonly tree: Tree;
}

/** The recipe of a build, one line a step. */
async function buildSystemImage(
  { recipe, recipeFolder, lock, renew, fromMemory, work }: ImageInput,
  context: BuildContext,
): Promise<MadeImage> {
  const { tools, progress, signal } = context;
  const trusted = recipe.trust === undefined ? undefined : await readTrust(recipe.trust, recipeFolder);
  const lockedIds: Ids = lock ?? { users: [], groups: [] };
  const image = join(work, "system.img");
  const root = join(work, "root.erofs");
  const verity = join(work, "root.verity");
  const initrd = join(work, "initrd");

  const request = { recipe, recipeFolder, lock, renew, work };
  const base = await openBase(baseSource(recipe.base), request, context);
  const source = await openKernelSource(request, context);
  const time = Math.max(base.time, source?.locked.time ?? 0);
  const tree = await progress.step("unpack the base", async () => await unpackBase(base.tar, lockedIds, work, context));
  const init = await findInit(tree.fs);
  refuseOtherInit(recipe, init);
  const kernel = await progress.step("take the kernel", async () => await takeKernel(tree, source?.tree, work, context));
  refuseUnreadable(recipe.root.compression, kernel);
  if (fromMemory) refuseNoRam(kernel);
  const isSealed = recipe.profile === "sealed";
  const words = [...recipe.kernel.cmdline, ...(isSealed ? SEALED_WORDS : [])];
  if (await enforcesSelinux(tree.fs, words)) {
    progress.note(
      `the image's SELinux would enforce its policy, which does not know petrify yet: it is permissive (${PERMISSIVE})`,
    );
    words.push(PERMISSIVE);
  }
  await progress.step("make the initrd", async () => {
    // What the image below was built with is known by its files only.
    const microcode = recipe.base.image === undefined ? recipe.firmware.microcode : await microcodeIn(tree.fs.folder);
    const input = {
      ...{ root: tree.fs.folder, kernel, sourceDateEpoch: time, microcode },
      ...(isSealed ? { sealedWords: imageWords(words) } : {}),
    };
    await buildInitrd(tools, input, initrd, work, signal);
  });
  const ids = await progress.step("make the root file system", async () => {
    await cleanTree(tree, kernelFlavour(recipe));
    await nameImage(tree, recipe);
    await addImageFacts(tree, recipe, init, time);
    await addRuntime(tree, recipe, { init, created: time, work }, context);
    const all = await addRecipeUsers(tree, recipe, lockedIds);
    await layFiles(tree, recipe.files, recipeFolder);
    await addTrustedKeys(tree, trusted);
    await setUnits(tree, recipe, init.kind);
    if (isSealed) for (const sentence of await sealTree(tree, recipe, init.kind)) progress.note(sentence);
    await refusePrivateKeys(tree);
    await packRoot(tree, time, recipe.root.compression, root);
    return all;
  });
  const manifest = await progress.step("make the system image", async () => {
    const rootHash = await formatVerity(tools, root, verity, signal);
    const imageCfg = imageScript(imageCommandLine({ rootHash, words }));
    const facts = {
      name: recipe.name,
      version: recipe.version,
      architecture: "x86-64",
      kernel: kernel.version,
      created: time,
      machineConfig: machineLanguage(),
    } as const;
    return await assembleSystemImage(
      tools,
      { facts, vmlinuz: kernel.vmlinuz, initrd, imageCfg, root, verity, rootHash },
      image,
      work,
      signal,
    );
  });
  return {
    image,
    manifest,
    tree,
    lock: {
      ...{ format: 1, inputs: base.inputs, time: base.time, packages: [...base.packages] },
      ...{ users: [...ids.users], groups: [...ids.groups] },
      ...(source ? { kernel: source.locked } : {}),
    },
  };
}

async function readLock(path: string): Promise<Lock | undefined> {
  return (await fileExists(path)) ? parseLock(await readText(path), path) : undefined;
}
