import { join } from "node:path";
import { readBytes, walk } from "../host/files.ts";
import type { Tools } from "../host/tools.ts";
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
  "petrify-bless.service": "multi-user.target",
  "petrify-grow.service": "multi-user.target",
  "petrify-clock.timer": "timers.target",
} as const;

/**
 * What makes folders persistent and marks a boot as good, until an agent does: one static program and its units.
 *
 * @param work an existing folder for intermediate files
 */
export async function runtimeFiles(tools: Tools, work: string, signal?: AbortSignal): Promise<RuntimeFile[]> {
  const units: RuntimeFile[] = [];
  for (const entry of await walk(SOURCES)) {
    if (entry.kind === "file")
      units.push({ path: `/${entry.path}`, mode: 0o644, data: await readBytes(join(SOURCES, entry.path)) });
  }
  return [
    { path: PROGRAM, mode: 0o755, data: await readBytes(await earlyProgram(tools, work, signal)) },
    ...units,
    ...Object.entries(WANTED).map(([unit, target]) => ({
      path: `/usr/lib/systemd/system/${target}.wants/${unit}`,
      target: `../${unit}`,
    })),
  ];
}
