import { join } from "node:path";
import { KiB, type Bytes } from "../core/units.ts";
import { bundleForNode, type BundlePart } from "../host/bundle.ts";
import { makeFolder, writeText } from "../host/files.ts";
import { LOADER } from "./agent-runtime.ts";
import type { BuildContext } from "./context.ts";

const START = join(import.meta.dirname, "../agent/start-main.ts");
/**
 * What Node is told, for all programs; nobody can tell it anything else.
 *
 * Who hardly does anything is to have hardly anything: a young generation of 1 MiB, and one thread for V8's own work, since each that compiles or collects has
 * memory of its own. SIGUSR1 would open a debugger. Modules out of memory are `node:vm`'s. Node's own modules are in it compiled, which V8 takes with its own
 * flags only, but for some that do not matter, as these: a program would need half as long again to start. Source: node(1), `node --v8-options`
 */
export const NODE_FLAGS = [
  ...["--disable-warning=ExperimentalWarning", "--experimental-vm-modules", "--disable-sigusr1"],
  ...["--max-semi-space-size=1", "--max-old-space-size=160", "--v8-pool-size=1"],
] as const;

/** Modules are this long, or a multiple of it: one that changes moves no block of the others, so a delta has nothing of them. */
const BLOCK: Bytes = 4 * KiB;

/**
 * Node and modules as one executable that takes neither options nor `NODE_OPTIONS`: the same bytes for the same modules, wherever they are made.
 *
 * Source: Node.js, "Single executable applications"
 *
 * @param runtime folder that {@link agentRuntime} made: its Node is as the image has it, and is not changed afterwards
 * @param modules of programs, by the names that they import each other by
 * @param work an existing folder for intermediate files
 * @returns path of the executable, in `work`
 */
export async function agentExecutable(
  { tools, signal }: Pick<BuildContext, "tools" | "signal">,
  { runtime, modules }: { readonly runtime: string; readonly modules: readonly BundlePart[] },
  work: string,
): Promise<string> {
  const folder = join(work, "executable");
  await makeFolder(folder);
  for (const { name, text } of modules) {
    const size = Buffer.byteLength(text);
    await writeText(join(folder, name), text + "\n".repeat(Math.ceil(size / BLOCK) * BLOCK - size));
  }
  await writeText(join(folder, "start.mjs"), await bundleForNode(START, {}));
  const node = join(runtime, "bin/node");
  const config = {
    // Names are relative: they end up in the executable.
    ...{ main: "start.mjs", mainFormat: "module", executable: node, output: "petrify" },
    ...{ disableExperimentalSEAWarning: true, useSnapshot: false, useCodeCache: false },
    ...{ execArgv: NODE_FLAGS, execArgvExtension: "none" },
    assets: Object.fromEntries(modules.map(({ name }) => [name, name])),
  };
  await writeText(join(folder, "config.json"), JSON.stringify(config));
  const binds = [{ source: runtime }, { source: folder, writable: true }];
  const lib = join(runtime, "lib");
  await tools.run([join(lib, LOADER), "--library-path", lib, node, "--build-sea", "config.json"], { binds, cwd: folder, signal });
  return join(folder, "petrify");
}
