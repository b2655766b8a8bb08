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

/** The agent, and the command line of a machine: a module each, with everything it imports; what the agent hardly ever needs is beside it. */
export async function agentPrograms(): Promise<AgentProgram[]> {
  const { version } = JSON.parse(await readText(join(SOURCES, "../package.json"))) as { readonly version: string };
  const values = { PETRIFY_VERSION: version };
  const [agent, ...[imageWorker, installWorker, configWorker, stageRunner, commands]] = await Promise.all([
    bundleInParts(join(SOURCES, "agent/main.ts"), "petrifyd", values),
    ...["agent/image-main.ts", "agent/install-main.ts", "agent/config-main.ts", "agent/stage-main.ts", "cli/node-main.ts"].map(
      async (path) => await bundleForNode(join(SOURCES, path), values),
    ),
  ]);
  return [
    ...agent.map(({ name, text }) => ({ path: `${FOLDER}/${name}`, mode: 0o644, text })),
    { path: `${FOLDER}/image.mjs`, mode: 0o644, text: imageWorker! },
    { path: `${FOLDER}/install.mjs`, mode: 0o644, text: installWorker! },
    { path: `${FOLDER}/config.mjs`, mode: 0o644, text: configWorker! },
    { path: `${FOLDER}/stage.mjs`, mode: 0o644, text: stageRunner! },
    { path: `${FOLDER}/petrify.mjs`, mode: 0o755, text: `#!${NODE} --disable-warning=ExperimentalWarning\n${commands!}` },
  ];
}
