/** ostree's static delta between the root trees of two images, with kernel and initrd where ostree has them. */
import { join } from "node:path";
import { AppError } from "../src/core/error.ts";
import { fileSize, listFolder } from "../src/host/files.ts";
import { openImage } from "../src/host/image-file.ts";
import { decodeGpt, PARTITION_TYPES } from "../src/layout/gpt.ts";
import { BOOT_FILES, SYSTEM_IMAGE_SECTOR } from "../src/layout/system-image.ts";
import type { BenchContext } from "./context.ts";
import { together, type DeltaFigures, type Lab } from "./delta-lab.ts";
import type { ImagePair } from "./image-pairs.ts";
import { unpackRoot } from "./size.ts";

/** No metadata but ostree's own counts: both commits have the same time. */
const TIME = "--timestamp=2026-01-01 00:00:00 +0000";

/**
 * One file with all that is needed. The client's repository is of kind `bare`, as on a machine, and has the old commit; the new tree
 * is checked out by links. Every object is checked against its digest.
 */
export async function ostree({ old, new: next }: ImagePair, lab: Lab, context: BenchContext): Promise<DeltaFigures> {
  const { path, measure, run } = lab;
  const [server, client, delta] = [path("server"), path("client"), path("delta")];
  await run(["ostree", "init", `--repo=${server}`, "--mode=archive"]);
  await run(["ostree", "init", `--repo=${client}`, "--mode=bare"]);
  const commit = async (image: string, name: string): Promise<string> => {
    const tree = await unpackTree(image, path(name), context);
    const argv = ["ostree", "commit", `--repo=${server}`, `--branch=${name}`, `--tree=dir=${tree}`, TIME] as const;
    return (await run([...argv, "--no-bindings"])).trim();
  };
  const [from, to] = [await commit(old, "old"), await commit(next, "new")];
  const which = [`--from=${from}`, `--to=${to}`] as const;
  const whole = ["--inline", "--min-fallback-size=0", `--filename=${delta}`] as const;
  const make = await measure(["ostree", "static-delta", "generate", `--repo=${server}`, ...which, ...whole]);

  await run(["ostree", "pull-local", `--repo=${client}`, server, from]);
  const apply = await measure(["ostree", "static-delta", "apply-offline", `--repo=${client}`, delta]);
  const checkOut = await measure(["ostree", "checkout", `--repo=${client}`, "--require-hardlinks", to, path("deployed")]);
  await run(["ostree", "fsck", `--repo=${client}`, "--quiet"]);
  if (!(await listFolder(path("deployed"))).includes("usr"))
    throw new AppError("UPDATE_WRONG", "ostree did not make the new tree");
  return { tool: "ostree static-delta", bytes: await fileSize(delta), make, apply: together(apply, checkOut) };
}

async function unpackTree(image: string, folder: string, context: BenchContext): Promise<string> {
  const tree = await unpackRoot(image, folder, context);
  const modules = (await listFolder(join(tree, "usr/lib/modules"))).at(-1);
  if (modules === undefined) throw new AppError("KERNEL_UNKNOWN", `${image} has no modules of a kernel`);
  const boot = bootStart(image);
  const inside = { binds: [{ source: context.folder, writable: true }], anyOwner: true, signal: context.signal };
  for (const [name, to] of [
    [BOOT_FILES.kernel, "vmlinuz"],
    [BOOT_FILES.initrd, "initramfs.img"],
  ] as const) {
    const target = join(tree, "usr/lib/modules", modules, to);
    await context.tools.run(["mcopy", "-o", "-i", `${image}@@${boot}`, `::${name}`, target], inside);
  }
  return tree;
}

function bootStart(image: string): number {
  using file = openImage(image);
  const boot = decodeGpt(file.read, file.size, SYSTEM_IMAGE_SECTOR).partitions.find(
    ({ type }) => type === PARTITION_TYPES.xbootldr,
  );
  if (!boot) throw new AppError("BOOT_MISSING", `${image} has no boot partition`);
  return boot.start;
}
