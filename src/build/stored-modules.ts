/** How kernel modules lie in a tree: decompressed, and listed by depmod. */
import { basename, join } from "node:path";
import type { RootFs } from "../host/rootfs.ts";
import { toolFailed, type ToolsRunOptions, type Tools } from "../host/tools.ts";

/** What distributions compress modules with; each replaces the files by decompressed ones, also what has several names. */
const PROGRAMS = {
  // Without --no-sync xz would wait for the disk after each of some thousand files.
  xz: ["xz", "--decompress", "--force", "--no-sync"],
  zst: ["zstd", "--decompress", "--force", "--quiet", "--rm"],
  gz: ["gzip", "--decompress", "--force"],
} as const;
const COMPRESSED = /\.ko\.(?:xz|zst|gz)$/;
const plain = (path: string): string => (COMPRESSED.test(path) ? path.slice(0, path.lastIndexOf(".")) : path);

/**
 * Decompresses every module in a folder: compressed ones inside an image make every delta as large as the module, and the image no smaller
 * once it is compressed itself. Links among modules, hard and symbolic, stay links.
 *
 * @param folder on the host; nothing where there is none
 */
export async function decompressModules(folder: string, tools: Tools, signal?: AbortSignal): Promise<void> {
  const options: ToolsRunOptions = { binds: [{ source: folder, writable: true }], anyOwner: true, cwd: folder, signal };
  const run = async (argv: readonly [string, ...string[]]): Promise<string> => {
    try {
      return (await tools.run(argv, options)).stdout;
    } catch (cause) {
      signal?.throwIfAborted();
      throw toolFailed(argv[0], "the kernel's modules could not be decompressed", cause);
    }
  };
  const listed = await run(["find", ".", "-name", "*.ko.*", "-printf", String.raw`%y\t%i\t%n\t%P\t%l\0`]);
  const found = listed.split("\0").flatMap((line) => {
    const [kind, inode, names, path, target] = line.split("\t");
    return path !== undefined && COMPRESSED.test(path)
      ? [{ kind, inode: inode!, names: Number(names), path, target: target! }]
      : [];
  });
  const files = found.filter(({ kind }) => kind === "f").toSorted((a, b) => (a.path < b.path ? -1 : 1));
  if (found.length === 0) return;
  const firsts = new Map<string, string>();
  const others: [first: string, path: string][] = [];
  for (const { inode, names, path } of files) {
    const first = firsts.get(inode);
    if (names > 1 && first !== undefined) others.push([first, path]);
    else firsts.set(inode, path);
  }
  const links = found.filter(({ kind }) => kind === "l");
  for (const paths of batches([...others.map(([, path]) => path), ...links.map(({ path }) => path)])) {
    await run(["rm", "--force", "--", ...paths]);
  }
  for (const [suffix, program] of Object.entries(PROGRAMS)) {
    const compressed = [...firsts.values()].filter((path) => path.endsWith(`.${suffix}`));
    for (const paths of batches(compressed)) await run([...program, "--", ...paths]);
  }
  for (const [first, path] of others) await run(["ln", "--force", "--", plain(first), plain(path)]);
  for (const { path, target } of links) await run(["ln", "--force", "--symbolic", "--", plain(target), plain(path)]);
}

const BATCH = 1000;
const batches = (paths: readonly string[]): string[][] =>
  Array.from({ length: Math.ceil(paths.length / BATCH) }, (_, n) => paths.slice(n * BATCH, (n + 1) * BATCH));

/** Where depmod's own configuration may be, the later over the earlier. Source: depmod.d(5) */
const DEPMOD_CONFIG = ["/lib/depmod.d", "/usr/lib/depmod.d", "/etc/depmod.d"] as const;
/** depmod wants the folder of a version at this place below its base, which differs from that of a tree with a `/lib` of its own. */
const DEPMOD_BASE = "/run/petrify-depmod";

/** Renews the lists of a kernel's modules. @param folder on the host, named by the kernel's version */
export async function listModules(fs: RootFs, folder: string, tools: Tools, signal?: AbortSignal): Promise<void> {
  const version = basename(folder);
  const configs = [];
  for (const path of DEPMOD_CONFIG) if (await fs.exists(path)) configs.push(await fs.resolve(path));
  const binds = [...new Set(configs)].map((source, n) => ({ source, target: join(DEPMOD_BASE, "config", String(n)) }));
  await tools.run(["depmod", `--basedir=${DEPMOD_BASE}`, ...binds.flatMap(({ target }) => ["--config", target]), version], {
    binds: [{ source: folder, target: join(DEPMOD_BASE, "lib/modules", version), writable: true }, ...binds],
    anyOwner: true,
    signal,
  });
}
