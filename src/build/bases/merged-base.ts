import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../core/error.ts";
import type { Lock } from "../../config/lock.ts";
import { fileExists, listFolder, moveInto, readText, writeText } from "../../host/files.ts";
import { kindOf, readStream, writeStream } from "../../host/stream-file.ts";
import { inUserNamespace } from "../../host/tools.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import type { Base } from "../base.ts";
import type { BuildContext } from "../context.ts";
import type { Layer } from "./archive.ts";
import { baseTime } from "./base-time.ts";
import { judgeLayers, type MergedFacts } from "./merge.ts";

/** Raised when the same archive becomes another tar: those of older versions are then made again. */
const MERGE_FORMAT = 1;

/** Something that lies on the host as a whole, in layers. */
export interface LayeredSource {
  /** How the step is called: `read IMAGE`. */
  readonly title: string;
  /** Digest of what decides the content, with its algorithm. */
  readonly inputs: string;
  readonly whiteouts: boolean;
  /** Seconds since 1970, when it tells. */
  readonly created: number | undefined;
  readonly layers: (note: (text: string) => void) => Promise<readonly Layer[]>;
}

const Facts = z.object({ newest: z.number(), guarded: z.number(), largestUid: z.number(), largestGid: z.number() });

/**
 * The base that layers make. The merged tar is made once and kept; it appears by one rename, after all of it has been judged.
 *
 * @throws AppError `ARCHIVE_REFUSED`, `BASE_DAMAGED`, `BASE_INVALID`
 */
export async function mergedBase(
  { title, inputs, whiteouts, created, layers }: LayeredSource,
  { lock, renew, work }: { readonly lock: Lock | undefined; readonly renew: boolean; readonly work: string },
  context: BuildContext,
): Promise<Base> {
  const { cacheFolder, caller, progress, signal } = context;
  const key = createHash("sha256")
    .update(JSON.stringify([MERGE_FORMAT, inputs, whiteouts]))
    .digest("hex")
    .slice(0, 32);
  const [tar, about] = ["tar", "json"].map((suffix) => join(cacheFolder, "bases", `merged-${key}.${suffix}`)) as [string, string];
  const known = (await fileExists(tar)) ? await readFacts(about) : undefined;
  const make = async (): Promise<MergedFacts> =>
    await progress.step(title, async (note) => {
      const judged = await judgeLayers(await layers(note), { whiteouts, note });
      const [made, facts] = [join(work, `merged-${key}.tar`), join(work, `merged-${key}.json`)];
      await writeStream(made, judged.tar(), signal);
      await writeText(facts, `${JSON.stringify(judged.facts)}\n`);
      await moveInto(facts, about);
      await moveInto(made, tar);
      return judged.facts;
    });
  const { newest, guarded, largestUid, largestGid } = known ?? (await make());
  await refuseOwners(largestUid, largestGid, context);
  if (guarded > 0 && caller.uid !== 0) {
    progress.note(
      `${guarded} files may lose attributes that only root can set everywhere (such as security.selinux): build as root to keep them`,
    );
  }
  if (lock && lock.inputs !== inputs && !renew) progress.note("the base has changed since petrify.lock");
  // The lock's time, so that a later build of the same base has the same bytes.
  if (lock?.inputs === inputs && !renew) return { tar, time: lock.time, inputs, packages: [] };
  const { time, note } = baseTime({ created, newest, now: secondsNow() });
  if (note) progress.note(note);
  return { tar, time, inputs, packages: [] };
}

/** Nothing where they were never written whole, or by a version that knew less. */
async function readFacts(path: string): Promise<MergedFacts | undefined> {
  if (!(await fileExists(path))) return undefined;
  try {
    return Facts.parse(JSON.parse(await readText(path)));
  } catch {
    return undefined;
  }
}

/** @throws AppError `BASE_OWNERS` for owners that an ordinary user's namespace does not have: nothing could be unpacked as theirs */
async function refuseOwners(uid: number, gid: number, { caller, run }: BuildContext): Promise<void> {
  if (caller.uid === 0) return;
  for (const [what, largest, map, file] of [
    ["user", uid, "uid_map", "/etc/subuid"],
    ["group", gid, "gid_map", "/etc/subgid"],
  ] as const) {
    const { stdout } = await run(inUserNamespace(caller, ["cat", `/proc/self/${map}`]));
    const ids = mappedIds(stdout);
    if (largest < ids) continue;
    throw new AppError("BASE_OWNERS", `the base has files of the ${what} ${largest}; you have the ids below ${ids} here`, {
      hint: `Build as root, or give yourself more ids in ${file}.`,
    });
  }
}

/** How many ids there are from 0 on, by the text of a map: lines of first id inside, first id outside, how many. user_namespaces(7) */
export const mappedIds = (map: string): number =>
  map
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .toSorted(([a = 0], [b = 0]) => a - b)
    .reduce((ids, [inside = 0, , count = 0]) => (inside === ids ? inside + count : ids), 0);

/** @throws AppError `BASE_MISSING` when there is nothing at the path, or something that has no end; `BASE_UNREADABLE` */
export async function kindOfBase(key: string, path: string, recipeFolder: string): Promise<"file" | "folder"> {
  const hint = `Paths are relative to the recipe: ${recipeFolder}.`;
  try {
    const kind = await kindOf(path);
    if (kind === "folder") await listFolder(path);
    else if (kind === "file") for await (const _ of readStream(path, { length: 1 })) break;
    else {
      const what = kind === undefined ? "there is nothing at" : "neither a file nor a folder is at";
      throw new AppError("BASE_MISSING", `base.${key}: ${what} ${path}`, { hint });
    }
    return kind;
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new AppError("BASE_UNREADABLE", `base.${key}: ${path} could not be read (${code ?? String(cause)})`, { hint, cause });
  }
}
