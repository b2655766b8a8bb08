import { join } from "node:path";
import { bundleForNode } from "../host/bundle.ts";
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

/** The agent, and the command line of a machine: one module each, with everything it imports. */
export async function agentPrograms(): Promise<AgentProgram[]> {
  const { version } = JSON.parse(await readText(join(SOURCES, "../package.json"))) as { readonly version: string };
  const [agent, imageWorker, installWorker, commands] = await Promise.all(
    ["agent/main.ts", "agent/image-main.ts", "agent/install-main.ts", "cli/node-main.ts"].map(
      async (path) => await bundleForNode(join(SOURCES, path), { PETRIFY_VERSION: version }),
    ),
  );
  return [
    { path: `${FOLDER}/petrifyd.mjs`, mode: 0o644, text: agent! },
    { path: `${FOLDER}/image.mjs`, mode: 0o644, text: imageWorker! },
    { path: `${FOLDER}/install.mjs`, mode: 0o644, text: installWorker! },
    { path: `${FOLDER}/petrify.mjs`, mode: 0o755, text: `#!${NODE} --disable-warning=ExperimentalWarning\n${commands}` },
  ];
}
