import { join } from "node:path";
import { readBytes, walk } from "../host/files.ts";
import { agentPrograms } from "./agent-programs.ts";
import { agentRuntime, RUNTIME_FOLDER } from "./agent-runtime.ts";
import type { BuildContext } from "./context.ts";
import { earlyProgram } from "./early-program.ts";

/** Something that every image holds besides its packages. */
export type RuntimeFile = { readonly path: string } & (
  | { readonly mode: number; readonly data: Uint8Array }
  | { readonly target: string }
);

/** Laid out as in the image. */
const SOURCES = join(import.meta.dirname, "rootfs");
const PROGRAM = "/usr/lib/petrify/petrify-early";
/** What every boot starts, and by which target. */
const WANTED = {
  "petrifyd.service": "multi-user.target",
  "petrify-grow.service": "multi-user.target",
} as const;

/**
 * The agent with its runtime, the program that makes folders persistent, and the units that start them.
 *
 * @param work an existing folder for intermediate files
 */
export async function runtimeFiles(
  context: Pick<BuildContext, "tools" | "cacheFolder" | "signal">,
  work: string,
): Promise<RuntimeFile[]> {
  const programs = await agentPrograms();
  return [
    { path: PROGRAM, mode: 0o755, data: await readBytes(await earlyProgram(context.tools, work, context.signal)) },
    ...(await filesBelow(await agentRuntime(context, work), RUNTIME_FOLDER)),
    ...programs.map(({ path, mode, text }) => ({ path, mode, data: new TextEncoder().encode(text) })),
    { path: "/usr/bin/petrify", target: "../lib/petrify/petrify.mjs" },
    ...(await filesBelow(SOURCES, "")),
    ...Object.entries(WANTED).map(([unit, target]) => ({
      path: `/usr/lib/systemd/system/${target}.wants/${unit}`,
      target: `../${unit}`,
    })),
  ];
}

/** @param at where they go in the image */
async function filesBelow(folder: string, at: string): Promise<RuntimeFile[]> {
  const files: RuntimeFile[] = [];
  for (const entry of await walk(folder)) {
    if (entry.kind !== "file") continue;
    const { path, mode } = entry;
    files.push({ path: `${at}/${path}`, mode: mode & 0o111 ? 0o755 : 0o644, data: await readBytes(join(folder, path)) });
  }
  return files;
}
