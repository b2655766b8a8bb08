import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { EARLY_PROGRAM, RESET_REQUEST_PATH } from "../layout/fstab.ts";
import { stepsBelow } from "../layout/persistent-folder.ts";
import { encodeResetRequest, parseResetRequest } from "../layout/reset-request.ts";
import { readText } from "./files.ts";
import { factsBelow, hasVanished, type Layers } from "./layer-walk.ts";
import { replaceFile } from "./replace-file.ts";
import type { Run } from "./run.ts";

/**
 * What the next boot will make the image's again.
 *
 * @throws AppError `RESET_REQUEST_INVALID`
 */
export async function readResetRequest(root: string): Promise<readonly string[]> {
  const text = await readText(join(root, RESET_REQUEST_PATH)).catch((error: unknown) => {
    if (hasVanished(error)) return undefined;
    throw error;
  });
  return text === undefined ? [] : parseResetRequest(text);
}

/**
 * Stores what the next boot is to make the image's again, durably.
 *
 * @throws AppError `RESET_NOT_STORED`: what was requested before then stays
 */
export async function writeResetRequest(root: string, paths: readonly string[]): Promise<void> {
  try {
    await replaceFile(join(root, RESET_REQUEST_PATH), encodeResetRequest([...new Set(paths)].toSorted()), 0o600);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new AppError("RESET_NOT_STORED", `${RESET_REQUEST_PATH} cannot be written (${code})`, {
      hint: "Run it as root, on a node whose persistent partition is mounted and has room.",
      cause,
    });
  }
}

/**
 * The folder above a path that hides what the image has there, so that the path cannot be the image's again without it: it was removed,
 * became something else, or was made anew.
 *
 * @returns the topmost, as programs see it; `undefined` where there is none
 */
export async function hiddenBy(layers: Layers, path: string, run: Run): Promise<string | undefined> {
  const above = stepsBelow(path, layers.path).slice(0, -1);
  if (!(await factsBelow(layers.lower, path.slice(layers.path.length)))) return undefined;
  const merging: string[] = [];
  for (const step of above) {
    const facts = await factsBelow(layers.upper, step);
    if (!facts) break;
    if (facts.kind === "folder") merging.push(step);
    else return (await firstOpaque(layers, merging, run)) ?? layers.path + step;
  }
  return await firstOpaque(layers, merging, run);
}

async function firstOpaque(layers: Layers, steps: readonly string[], run: Run): Promise<string | undefined> {
  if (steps.length === 0) return undefined;
  const { stdout } = await run([EARLY_PROGRAM, "opaque", ...steps.map((step) => layers.upper + step)]);
  const opaque = JSON.parse(stdout) as readonly string[];
  const first = steps.find((step) => opaque.includes(layers.upper + step));
  return first === undefined ? undefined : layers.path + first;
}
