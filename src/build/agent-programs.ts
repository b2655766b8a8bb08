import { join } from "node:path";
import { bundleForNode, bundleInParts } from "../host/bundle.ts";
import { readText } from "../host/files.ts";

const SOURCES = join(import.meta.dirname, "..");
/** Where an image has them. */
const FOLDER = "/usr/lib/petrify";
const NODE = `${FOLDER}/runtime/bin/node`;

export interface AgentProgram {
  readonly path: string;
  readonly mode: number;
  readonly text: string;
}

/** Programs beside the agent, a file each, by what starts them. */
const OTHERS = {
  image: "agent/image-main.ts",
  install: "agent/install-main.ts",
  config: "agent/config-main.ts",
  stage: "agent/stage-main.ts",
  api: "agent/api-main.ts",
  look: "agent/look-main.ts",
  forward: "agent/forward-main.ts",
  debug: "agent/debug-main.ts",
  authority: "agent/authority-main.ts",
} as const;

/** The agent, the programs that work for it, and the command line of a machine: a module each, with everything it imports; what the agent hardly ever needs is beside it. */
export async function agentPrograms(): Promise<AgentProgram[]> {
  const { version } = JSON.parse(await readText(join(SOURCES, "../package.json"))) as { readonly version: string };
  const values = { PETRIFY_VERSION: version };
  const bundled = async (path: string): Promise<string> => await bundleForNode(join(SOURCES, path), values);
  const [agent, others, commands] = await Promise.all([
    bundleInParts(join(SOURCES, "agent/main.ts"), "petrifyd", values),
    Promise.all(Object.entries(OTHERS).map(async ([name, path]) => ({ name: `${name}.mjs`, text: await bundled(path) }))),
    bundled("cli/node-main.ts"),
  ]);
  return [
    ...[...agent, ...others].map(({ name, text }) => ({ path: `${FOLDER}/${name}`, mode: 0o644, text })),
    { path: `${FOLDER}/petrify.mjs`, mode: 0o755, text: `#!${NODE} --disable-warning=ExperimentalWarning\n${commands}` },
  ];
}
