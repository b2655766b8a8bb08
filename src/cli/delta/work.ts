/** Deltas as commands see them: work of a process of its own, delta-main.ts, which takes minutes and can be ended at any time. docs/concepts/delta.md */
import { join } from "node:path";
import { work } from "../../agent/worker.ts";
import type { Bytes } from "../../core/units.ts";
import type { Run } from "../../host/run.ts";
import type { DeltaEnd } from "./images.ts";
import type { DeltaExplanation, MakePhase } from "../../release/delta/make-delta.ts";

/** What delta-main.ts is told. Paths are absolute. */
export interface DeltaRequest {
  readonly old: string;
  readonly new: string;
  /** Overwritten with the delta; without it, the delta is only explained. */
  readonly output?: string;
  /** Whether {@link MadeDeltaFile.full}, and the limit of the explanation, are wanted. */
  readonly compare?: boolean;
}
export type DeltaPhase = "checking" | MakePhase | "packing all of it";
/** What it says, a line each. */
export type DeltaLine =
  | { readonly phase: DeltaPhase; readonly done: number; readonly total: number }
  | { readonly made: MadeDeltaFile };

export interface MadeDeltaFile {
  readonly from: DeltaEnd;
  readonly to: DeltaEnd;
  readonly explanation: DeltaExplanation;
  /** What the new image takes when all of it is fetched: its segments, packed one by one. */
  readonly full?: Bytes;
}

interface DeltaEdge {
  readonly run: Run;
  readonly signal: AbortSignal;
  /** argv of delta-main.ts; default: this Node runs it. */
  readonly program?: readonly [string, ...string[]];
}
const PROGRAM = [process.execPath, "--disable-warning=ExperimentalWarning", join(import.meta.dirname, "delta-main.ts")] as const;

/**
 * Checks both images, makes the delta from one to the other, and proves it.
 *
 * @throws AppError `FILE_UNREADABLE`, `SYSTEM_IMAGE_INVALID`, `IMAGE_NEWER`, `IMAGE_FOREIGN`, `IMAGE_DAMAGED`, `DELTA_SAME_IMAGE`, `DELTA_OTHER_NAME`;
 *   CommandError; the signal's reason when aborted: the program has ended then
 */
export async function deltaOf(
  request: DeltaRequest,
  { run, signal, program = PROGRAM }: DeltaEdge,
  tell: (phase: DeltaPhase, done: number, total: number) => void,
): Promise<MadeDeltaFile> {
  const last = await work<DeltaLine>(
    { run, program },
    request,
    (line) => {
      if ("phase" in line) tell(line.phase, line.done, line.total);
    },
    signal,
  );
  if (!last || !("made" in last)) throw new Error("the program that makes deltas did not come to its end");
  return last.made;
}
