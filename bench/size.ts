import { join } from "node:path";
import { openImage } from "../src/host/image-file.ts";
import { fileExists, fileSize, makeFolder } from "../src/host/files.ts";
import type { ToolsRunOptions } from "../src/host/tools.ts";
import { writeBytes } from "../src/host/partial-file.ts";
import { copySparse } from "../src/host/sparse.ts";
import { decodeGpt, PARTITION_TYPES } from "../src/layout/gpt.ts";
import { AppError } from "../src/core/error.ts";
import type { Bytes } from "../src/core/units.ts";
import { remove, type BenchContext } from "./context.ts";

export interface ImageSizes {
  /** Of every file of the root file system, hard links once. */
  readonly installed: Bytes;
  readonly raw: Bytes;
  /** `zstd -19` of the whole file, in one thread: more threads give other sizes. */
  readonly zstd: Bytes;
  /** What the agent with its runtime adds to {@link zstd}; nothing where there is none. */
  readonly agent: Bytes;
  /** `NAME VERSION` of every installed package. */
  readonly packages: readonly string[];
}

/** What an image has for the agent. */
const AGENT = ["usr/lib/petrify/runtime"];
/** The empty packages in place of an initrd maker. */
const STAND_IN = /^(petrify|bench)-initrd /;

/** Measures an image in the same way whoever made it: its root file system is unpacked out of it. @param name of a folder for that */
export async function imageSizes(image: string, name: string, context: BenchContext): Promise<ImageSizes> {
  const { tools, signal } = context;
  const folder = join(context.folder, "unpacked", name);
  const inside = {
    binds: [
      { source: folder, writable: true },
      { source: image, target: "/tmp/image" },
    ],
    anyOwner: true,
    signal,
  };
  const tree = await unpackRoot(image, folder, context);
  const output = join(folder, "image.zst");
  await tools.run(["zstd", "-19", "-T1", "--quiet", "--force", "-o", output, "/tmp/image"], inside);
  const facts = await treeFacts(tree, context);
  const sizes = {
    ...facts,
    raw: await fileSize(image),
    zstd: await fileSize(output),
    agent: await agentSize(folder, tree, inside, context),
  };
  await remove(context, folder);
  return sizes;
}

/** The files of an image's root. @param folder is emptied before @returns the folder with the tree */
export async function unpackRoot(image: string, folder: string, context: BenchContext): Promise<string> {
  const { tools, signal } = context;
  await remove(context, folder);
  await makeFolder(folder);
  const inside = { binds: [{ source: folder, writable: true }], anyOwner: true, signal };
  const [erofs, tree] = [join(folder, "root.erofs"), join(folder, "tree")];
  {
    using file = openImage(image);
    const { partitions } = decodeGpt(file.read, file.size, 512);
    const root = partitions.find(({ type }) => type === PARTITION_TYPES.rootX86);
    if (!root) throw new AppError("ROOT_MISSING", `${image} has no root partition`);
    await writeBytes(erofs, new Uint8Array());
    await copySparse(image, erofs, [{ from: root.start, length: root.size, to: 0 }], signal);
    await tools.run(["truncate", `--size=${root.size}`, erofs], inside);
  }
  await tools.run(["fsck.erofs", `--extract=${tree}`, erofs], inside);
  return tree;
}

/** By packing the tree again with and without it. */
async function agentSize(folder: string, tree: string, inside: ToolsRunOptions, { tools }: BenchContext): Promise<Bytes> {
  if (!(await fileExists(join(tree, AGENT[0]!)))) return 0;
  const packed = async (what: string): Promise<Bytes> => {
    const file = join(folder, `${what}.erofs`);
    await tools.run(["mkfs.erofs", "--quiet", "-T", "0", "-U", "clear", "--all-time", file, tree], inside);
    await tools.run(["zstd", "-19", "-T1", "--quiet", "--force", "--rm", file], inside);
    return await fileSize(`${file}.zst`);
  };
  const whole = await packed("whole");
  await tools.run(["rm", "--recursive", "--force", ...AGENT.map((path) => join(tree, path))], inside);
  return whole - (await packed("bare"));
}

/** What is installed in a root file system. */
export async function treeFacts(
  tree: string,
  { tools, folder, signal }: BenchContext,
): Promise<Pick<ImageSizes, "installed" | "packages">> {
  const inside = { binds: [{ source: folder }], anyOwner: true, signal };
  const { stdout: du } = await tools.run(["du", "--apparent-size", "--block-size=1", "--summarize", tree], inside);
  const { stdout: list } = await tools.run(
    ["dpkg-query", `--admindir=${join(tree, "var/lib/dpkg")}`, "--show", "--showformat=${Package} ${Version}\\n"],
    inside,
  );
  return {
    installed: Number(/^\d+/.exec(du)![0]),
    packages: list
      .trim()
      .split("\n")
      .filter((name) => !STAND_IN.test(name)),
  };
}
