import { join } from "node:path";
import { bundleForNode, bundleInParts, type BundlePart } from "../host/bundle.ts";
import { readText } from "../host/files.ts";
import { HELPERS } from "../layout/own-programs.ts";

const SOURCES = join(import.meta.dirname, "..");

/**
 * The agent, the programs that work for it, and the command line of a machine: a module each, with everything it imports; what the agent hardly ever needs is
 * in modules of its own.
 */
export async function agentPrograms(): Promise<BundlePart[]> {
  const { version } = JSON.parse(await readText(join(SOURCES, "../package.json"))) as { readonly version: string };
  const values = { PETRIFY_VERSION: version };
  const bundled = async (name: string, path: string): Promise<BundlePart> => ({
    name: `${name}.mjs`,
    text: await bundleForNode(join(SOURCES, path), values),
  });
  const [agent, others] = await Promise.all([
    bundleInParts(join(SOURCES, "agent/main.ts"), "petrifyd", values),
    Promise.all([
      ...HELPERS.map(async (name) => await bundled(name, `agent/${name}-main.ts`)),
      bundled("petrify", "cli/node-main.ts"),
    ]),
  ]);
  return [...agent, ...others];
}
