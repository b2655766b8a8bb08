import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../core/error.ts";
import type { Lock } from "../../config/lock.ts";
import { fileExists, makeFolder, moveInto, readText, writeText } from "../../host/files.ts";
import { kindOf, writeStream } from "../../host/stream-file.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import type { Base } from "../base.ts";
import type { BuildContext } from "../context.ts";
import type { Layer } from "./archive.ts";
import { baseTime } from "./base-time.ts";
import { judgeLayers } from "./merge.ts";

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

const Facts = z.object({ newest: z.number(), guarded: z.number() });

/**
 * The base that layers make. The merged tar is made once and kept; it appears by one rename, after all of it has been judged.
 *
 * @throws AppError `ARCHIVE_REFUSED`, `BASE_DAMAGED`, `BASE_INVALID`
 */
export async function mergedBase(
  { title, inputs, whiteouts, created, layers }: LayeredSource,
  { lock, renew, work }: { readonly lock: Lock | undefined; readonly renew: boolean; readonly work: string },
  { cacheFolder, caller, progress, signal }: BuildContext,
): Promise<Base> {
  const key = createHash("sha256")
    .update(JSON.stringify([MERGE_FORMAT, inputs, whiteouts]))
    .digest("hex")
    .slice(0, 32);
  const [tar, about] = ["tar", "json"].map((suffix) => join(cacheFolder, "bases", `merged-${key}.${suffix}`)) as [string, string];
  if (!(await fileExists(tar)) || !(await fileExists(about))) {
    await progress.step(title, async (note) => {
      const judged = await judgeLayers(await layers(note), { whiteouts, note });
      await makeFolder(work);
      const [made, facts] = [join(work, `merged-${key}.tar`), join(work, `merged-${key}.json`)];
      await writeStream(made, judged.tar(), signal);
      await writeText(facts, `${JSON.stringify(judged.facts)}\n`);
      await moveInto(facts, about);
      await moveInto(made, tar);
    });
  }
  const { newest, guarded } = Facts.parse(JSON.parse(await readText(about)));
  if (guarded > 0 && caller.uid !== 0) {
    progress.note(
      `${guarded} files lose attributes that only root may set (such as security.selinux): build as root to keep them`,
    );
  }
  if (lock && lock.inputs !== inputs && !renew) progress.note("the base has changed since petrify.lock");
  // The lock's time, so that a later build of the same base has the same bytes.
  if (lock?.inputs === inputs && !renew) return { tar, time: lock.time, inputs, packages: [] };
  const { time, note } = baseTime({ created, newest, now: secondsNow() });
  if (note) progress.note(note);
  return { tar, time, inputs, packages: [] };
}

/** @throws AppError `BASE_MISSING` when there is nothing at the path, or something that cannot be read to its end */
export async function kindOfBase(key: string, path: string, recipeFolder: string): Promise<"file" | "folder"> {
  const kind = await kindOf(path);
  if (kind === "file" || kind === "folder") return kind;
  throw new AppError(
    "BASE_MISSING",
    `base.${key}: ${kind === undefined ? "there is nothing at" : "neither a file nor a folder is at"} ${path}`,
    {
      hint: `Paths are relative to the recipe: ${recipeFolder}.`,
    },
  );
}
