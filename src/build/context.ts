import type { Progress } from "../core/progress.ts";
import type { Run } from "../host/run.ts";
import type { Caller, Tools } from "../host/tools.ts";

/** What every step of a build is given; frozen for the length of the build. */
export interface BuildContext {
  readonly tools: Tools;
  /** Programs for what comes from elsewhere (buildah, rpm); bootstrapped when it is first asked for. */
  readonly containerTools: () => Promise<Tools>;
  /** Programs that make media (xorriso); the same. */
  readonly mediaTools: () => Promise<Tools>;
  readonly run: Run;
  readonly caller: Caller;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
  /** Holds only what can be made again: packages, prepared bases, work folders. */
  readonly cacheFolder: string;
  /** Milliseconds of a monotonic clock. */
  readonly clock: () => number;
  readonly random: (bytes: number) => Uint8Array;
}
