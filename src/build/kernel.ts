/** The kernel of an image: found in a tree, judged, and taken out of it, as it lives in the boot partition. docs/concepts/discovery.md */
import { basename, dirname, join } from "node:path";
import { AppError } from "../core/error.ts";
import type { LockedPackage } from "../config/lock.ts";
import { readHead } from "../host/files.ts";
import type { RootFs } from "../host/rootfs.ts";
import { BZIMAGE_HEAD, readBzImage } from "../layout/bzimage.ts";
import { judgeKernel, moduleNames } from "../layout/kernel-features.ts";
import type { BuildContext } from "./context.ts";
import { decompressModules, listModules } from "./stored-modules.ts";
import type { Tree } from "./tree.ts";

export interface Kernel {
  readonly version: string;
  /** Path on the host, outside the tree. */
  readonly vmlinuz: string;
  /** What it was built with, when its package tells. */
  readonly config: string | undefined;
  /** Folder of its modules on the host, in the tree; none of a kernel that has everything built in. */
  readonly modules: string | undefined;
}

/** A kernel where its package has put it: paths as the system sees them. */
interface FoundKernel {
  readonly version: string;
  /** Every file of this kernel, the one to be used first. */
  readonly files: readonly string[];
  readonly modules: string | undefined;
  readonly config: string | undefined;
}

const MODULES = ["/usr/lib/modules", "/lib/modules"] as const;
/** With a version, a flavour or nothing behind it: `vmlinuz-6.12.48-amd64`, `vmlinuz-lts`, `vmlinuz`, `kernel-6.12.48-gentoo`. */
const IN_BOOT = /^(?:vmlinuz|kernel|bzImage)(?:-.+)?$/;
/** Backups and what stands beside a kernel. */
const NO_KERNEL = /\.(?:old|bak|hmac|sig|config|map|img|efi)$/;
/** What distributions keep beside the modules for other boot loaders and other initrds. */
const BESIDE = /^(?:vmlinuz|\.vmlinuz\.hmac|initr(?:d|amfs).*|System\.map|symvers\..*|.*\.efi)$/;

/**
 * Looks for kernels: beside their modules first, then in `/boot`. What version a file is, it says itself.
 *
 * @returns nothing when there is none
 * @throws AppError `KERNEL_INVALID` (a file by that name is no kernel), `KERNEL_AMBIGUOUS`, `KERNEL_MODULES_MISMATCH`
 */
async function findKernel(fs: RootFs): Promise<FoundKernel | undefined> {
  const inTree = async (path: string): Promise<string> => (await fs.resolve(path)).slice(fs.folder.length);
  const folders = [...new Set(await Promise.all(MODULES.map(inTree)))];
  const candidates: string[] = [];
  for (const folder of folders)
    for (const name of (await fs.list(folder)).toSorted()) candidates.push(`${folder}/${name}/vmlinuz`);
  const inBoot = (await fs.list("/boot")).filter((name) => IN_BOOT.test(name) && !NO_KERNEL.test(name));
  candidates.push(...inBoot.toSorted().map((name) => `/boot/${name}`));

  const versions = new Map<string, string[]>();
  const seen = new Set<string>();
  for (const path of candidates) {
    const real = await fs.resolve(path);
    const head = seen.has(real) ? undefined : await readHead(real, BZIMAGE_HEAD);
    seen.add(real);
    if (head === undefined) continue; // no file, or another name of one that was read
    const read = readBzImage(head);
    if ("problem" in read) {
      throw new AppError("KERNEL_INVALID", `${path} of the image ${read.problem}`, {
        hint: "Only bzImages for x86-64 can be booted, as `make bzImage` and distributions make them.",
      });
    }
    versions.set(read.version, [...(versions.get(read.version) ?? []), real.slice(fs.folder.length)]);
  }
  if (versions.size > 1) throw ambiguous([...versions].map(([version, files]) => `${version} (${files.join(", ")})`).toSorted());
  const [found] = versions;
  if (found === undefined) return undefined;
  const [version, files] = found;
  return {
    version,
    files,
    modules: await modulesOf(fs, version, folders, files[0]!),
    config: await configOf(fs, version, folders),
  };
}

async function modulesOf(fs: RootFs, version: string, folders: readonly string[], file: string): Promise<string | undefined> {
  const others: string[] = [];
  for (const folder of folders) {
    if ((await fs.list(`${folder}/${version}`)).length > 0) return `${folder}/${version}`;
    for (const name of await fs.list(folder)) if ((await fs.list(`${folder}/${name}/kernel`)).length > 0) others.push(name);
  }
  if (others.length === 0) return undefined;
  throw new AppError(
    "KERNEL_MODULES_MISMATCH",
    `the kernel ${file} is ${version}, but the modules in the image are of ${others.toSorted().join(", ")}`,
    { hint: "Install kernel and modules from one package." },
  );
}

async function configOf(fs: RootFs, version: string, folders: readonly string[]): Promise<string | undefined> {
  for (const path of [`/boot/config-${version}`, ...folders.map((folder) => `${folder}/${version}/config`)]) {
    const text = await fs.read(path);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** Two kernels that their packages' names give away, told before they are installed. @throws AppError `KERNEL_AMBIGUOUS` */
export function refuseTwoKernels(packages: readonly LockedPackage[]): void {
  const kernels = packages.map(({ name }) => /^linux-image-(\d.*)$/.exec(name)?.[1]).filter((version) => version !== undefined);
  if (kernels.length > 1) throw ambiguous(kernels);
}

const ambiguous = (versions: readonly string[]): AppError =>
  new AppError("KERNEL_AMBIGUOUS", `the image has ${versions.length} kernels: ${versions.join(", ")}`, {
    hint: "An image boots one kernel. Choose it by `kernel.flavour` or `kernel.from`, and leave the other's package out.",
  });

/**
 * Takes the kernel out of the tree; its modules stay, decompressed.
 *
 * @param from a tree that kernel and modules come from in place of the image's own
 * @param work an existing folder
 * @throws AppError `KERNEL_MISSING`, `KERNEL_UNFIT` (it cannot start an image), and those of {@link findKernel}
 */
export async function takeKernel(tree: Tree, from: Tree | undefined, work: string, context: BuildContext): Promise<Kernel> {
  const { fs, tool } = tree;
  if (from) await dropKernels(tree, context);
  const source = from ?? tree;
  const found = await findKernel(source.fs);
  if (found === undefined) throw missing(from !== undefined);
  const { version, files, config } = found;
  const vmlinuz = join(work, "vmlinuz");
  await tool(["cp", "--", join(source.fs.folder, files[0]!), vmlinuz], {
    binds: [{ source: dirname(vmlinuz), writable: true }, ...(from ? [{ source: from.fs.folder }] : [])],
  });
  const place = from && found.modules ? await copyModules(from, found.modules, tree) : found.modules;
  for (const copy of [...files, "/vmlinuz", "/vmlinuz.old", "/initrd.img", "/initrd.img.old"]) await fs.remove(copy);
  const modules = place === undefined ? undefined : await fs.resolve(place);
  if (place !== undefined && modules !== undefined) {
    for (const name of await fs.list(place)) if (BESIDE.test(name)) await fs.remove(`${place}/${name}`);
    await decompressModules(modules, context.tools, context.signal);
    await listModules(fs, modules, context.tools, context.signal);
  }
  await refuseUnfit(fs, { version, vmlinuz, config, modules }, place, context);
  return { version, vmlinuz, config, modules };
}

/** The image's own kernels go when it gets one from elsewhere: modules that no kernel loads would only take room. */
async function dropKernels({ fs }: Tree, { progress }: BuildContext): Promise<void> {
  for (const folder of MODULES) {
    for (const name of await fs.list(folder)) {
      progress.note(`the base's kernel ${name} is left out`);
      await fs.remove(`${folder}/${name}`);
    }
  }
  for (const name of await fs.list("/boot")) if (IN_BOOT.test(name)) await fs.remove(`/boot/${name}`);
}

/** @returns where they are now: where the tree's own modprobe looks */
async function copyModules(from: Tree, path: string, { fs, tool }: Tree): Promise<string> {
  const isOwnFolder = (await fs.exists("/lib")) && (await fs.resolve("/lib")) === join(fs.folder, "lib");
  const folder = isOwnFolder ? "/lib/modules" : "/usr/lib/modules";
  await fs.folderAt(folder);
  await tool(["cp", "--archive", "--", await from.fs.resolve(path), await fs.resolve(folder)], {
    binds: [{ source: from.fs.folder }],
  });
  return `${folder}/${basename(path)}`;
}

async function refuseUnfit(
  fs: RootFs,
  { version, config }: Kernel,
  modules: string | undefined,
  { progress }: BuildContext,
): Promise<void> {
  const read = async (name: string): Promise<string | undefined> => modules && (await fs.read(`${modules}/${name}`));
  const { missing: lacks, unknown } = judgeKernel({
    modules: moduleNames((await read("modules.dep")) ?? ""),
    builtin: await read("modules.builtin"),
    config,
  });
  if (lacks.length > 0) {
    throw new AppError("KERNEL_UNFIT", `the kernel ${version} cannot start an image: it has no ${lacks.join(", no ")}`, {
      hint: "Choose another kernel, or take one from elsewhere by `kernel.from`.",
    });
  }
  if (unknown.length > 0) {
    progress.note(
      `nobody can tell whether the kernel ${version} has ${unknown.join(", ")}: there is neither modules.builtin nor config-${version}`,
    );
  }
}

const missing = (elsewhere: boolean): AppError =>
  new AppError(
    "KERNEL_MISSING",
    `${elsewhere ? "what `kernel.from` names" : "the image"} has no kernel: neither /usr/lib/modules/*/vmlinuz nor /boot/vmlinuz*, /boot/kernel-*`,
    {
      hint: elsewhere
        ? "Name a base that has one."
        : "Choose one by `kernel.flavour`, add a kernel package to the base, or take one from elsewhere by `kernel.from`.",
    },
  );
