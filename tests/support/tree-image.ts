import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assembleSystemImage } from "../../src/build/system-image.ts";
import { formatVerity } from "../../src/build/verity.ts";
import type { Tools } from "../../src/host/tools.ts";
import { encodeImageFacts, IMAGE_FACTS_PATH } from "../../src/layout/image-facts.ts";
import type { Manifest } from "../../src/release/manifest.ts";
import { noise } from "./small-image.ts";
import { tarOf, type TarEntry } from "./tree-tar.ts";

export const treeFacts = {
  name: "test",
  version: "1.2.3",
  architecture: "x86-64",
  kernel: "6.12.0-test",
  created: 1_700_000_000,
} as const;
export interface TreeImageOptions {
  /** Arguments of mkfs.erofs. */
  readonly form?: readonly string[];
  readonly facts?: Partial<typeof treeFacts> | Readonly<Record<string, string>>;
  readonly commandLine?: string;
  readonly vmlinuz?: Uint8Array;
  /** Keys of machine configs that it takes; default: it does not tell. */
  readonly machineConfig?: Readonly<Record<string, string>>;
  /** Whether the root has a folder for modules of the kernel; default: it has. */
  readonly modules?: boolean;
}

/** Writes a whole system image with these files, and what every image has: its facts, and a folder of modules. */
export async function treeImage(
  tools: Tools,
  entries: readonly TarEntry[],
  output: string,
  { form = [], facts: more = {}, commandLine = "petrify.roothash=… panic=5", ...rest }: TreeImageOptions = {},
): Promise<Manifest> {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-tree-"));
  const path = (name: string): string => join(dir.path, name);
  const facts = { ...treeFacts, ...more } as typeof treeFacts;
  await erofsOf(tools, [...imageEntries(facts, rest.modules ?? true), ...entries], path("root"), form);
  await writeFile(path("vmlinuz"), rest.vmlinuz ?? noise(3001, "kernel"));
  await writeFile(path("initrd"), noise(12_000, "initrd"));
  const rootHash = await formatVerity(tools, path("root"), path("verity"));
  return await assembleSystemImage(
    tools,
    {
      facts: { ...facts, ...(rest.machineConfig && { machineConfig: rest.machineConfig }) },
      ...{ rootHash, imageCfg: `set petrify_cmdline="${commandLine}"\n` },
      ...{ vmlinuz: path("vmlinuz"), initrd: path("initrd"), root: path("root"), verity: path("verity") },
    },
    output,
    dir.path,
  );
}

const imageEntries = (facts: typeof treeFacts, modules: boolean): readonly TarEntry[] => [
  ...(modules ? [{ path: `usr/lib/modules/${facts.kernel}/` }] : []),
  { path: IMAGE_FACTS_PATH.slice(1), data: encodeImageFacts({ ...facts, persistent: ["/home", "/var/log"] }) },
];

/** An EROFS with exactly these entries. */
export async function erofsOf(
  tools: Tools,
  entries: readonly TarEntry[],
  output: string,
  form: readonly string[] = [],
): Promise<void> {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-erofs-"));
  await writeFile(join(dir.path, "tar"), tarOf(entries));
  await writeFile(output, "");
  await tools.run(
    ["mkfs.erofs", "--quiet", "--tar=f", "-T", "1700000000", "-U", "clear", ...form, join("/tmp/out", "root"), "/tmp/in/tar"],
    {
      binds: [
        { source: dir.path, target: "/tmp/in" },
        { source: output, target: "/tmp/out/root", writable: true },
      ],
    },
  );
}
