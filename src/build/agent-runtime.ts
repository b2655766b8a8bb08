import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { copyFile, fileExists, fileSize, makeFolder, moveInto, readBytes } from "../host/files.ts";
import { writeBytes } from "../host/write-bytes.ts";
import type { Tools } from "../host/tools.ts";
import { RUNTIME_FOLDER } from "../layout/own-programs.ts";
import type { BuildContext } from "./context.ts";
import { withoutLanguages } from "./icu-data.ts";

/** Raised when the steps below change: runtimes of older builds are then made again. */
const RUNTIME_FORMAT = 3;
/** In `lib/` of a runtime. */
export const LOADER = "ld-linux-x86-64.so.2";
/** Programs of the tools tree that the agent and the units of an image call: nothing depends on the image's packages. */
const PROGRAMS = [
  ...["/usr/sbin/e2fsck", "/usr/sbin/resize2fs", "/usr/sbin/mke2fs", "/usr/sbin/debugfs"],
  ...["/usr/bin/lsblk", "/usr/sbin/wipefs"],
] as const;

/**
 * Node and a few programs with the loader and every library they need beside them: they run on any distribution and C library.
 *
 * Depends on nothing but the tools tree and the pinned Node, so it is made once and kept; it appears by one rename.
 *
 * @returns a folder in the cache: `bin/` and `lib/`
 */
export async function agentRuntime(
  context: Pick<BuildContext, "tools" | "cacheFolder" | "signal">,
  work: string,
): Promise<string> {
  const { tools, cacheFolder, signal } = context;
  const node = process.execPath;
  const key = createHash("sha256")
    .update(JSON.stringify([RUNTIME_FORMAT, tools.id, RUNTIME_FOLDER, PROGRAMS, process.version, await fileSize(node)]))
    .digest("hex")
    .slice(0, 32);
  const cached = join(cacheFolder, "runtimes", key);
  if (await fileExists(cached)) return cached;

  const folder = join(work, "runtime");
  for (const name of ["bin", "lib"]) await makeFolder(join(folder, name));
  await writeBytes(join(folder, "bin/node"), [withoutLanguages(await readBytes(node))]);
  for (const program of PROGRAMS) await copyFile(join(tools.root, program), join(folder, "bin", basename(program)));
  const options = { binds: [{ source: folder, writable: true }], cwd: folder, signal };
  const programs = ["node", ...PROGRAMS.map((program) => basename(program))].map((name) => `bin/${name}`);
  const libraries = await librariesOf(tools, programs, folder, signal);
  for (const library of libraries) await copyFile(join(tools.root, library), join(folder, "lib", basename(library)));
  await tools.run(["chmod", "--recursive", "u=rwx,go=rx", "bin"], options);
  await tools.run(["chmod", "--recursive", "u=rwX,go=rX", "lib"], options);
  await tools.run(["strip", "--strip-unneeded", "bin/node"], options); // the others are; before patchelf, which moves sections
  for (const program of programs) {
    // RPATH, not RUNPATH: it holds for what the libraries load as well. In this order: the other one makes a Node that crashes (patchelf 0.18).
    await tools.run(["patchelf", "--force-rpath", "--set-rpath", `${RUNTIME_FOLDER}/lib`, program], options);
    await tools.run(["patchelf", "--set-interpreter", `${RUNTIME_FOLDER}/lib/${LOADER}`, program], options);
  }
  // Not in the place where it will be, so by its loader.
  await tools.run([`lib/${LOADER}`, "--library-path", "lib", "bin/node", "--version"], options);
  await moveInto(folder, cached);
  return cached;
}

/** Paths in the tools tree of every library that the programs load, the loader included. */
async function librariesOf(
  tools: Tools,
  programs: readonly string[],
  folder: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const { stdout } = await tools.run(["ldd", ...programs], { binds: [{ source: folder }], cwd: folder, signal });
  // Only the tree's own: something else may be preloaded.
  const paths = [...stdout.matchAll(/(\/(?:usr\/)?lib\S*) \(0x/g)].map(([, path]) => path!);
  return [...new Map(paths.map((path) => [basename(path), join("/usr", path.replace(/^\/usr/, ""))])).values()].toSorted();
}
