/** Stages as the agent sees them: started outside of its own bounds, in a process of their own. docs/concepts/stages.md */
import { AppError } from "../../core/error.ts";
import type { InitSystem } from "../../host/init-system.ts";
import type { Run } from "../../host/run.ts";
import type { DriftReport } from "../../layout/drift-report.ts";
import { stageMark } from "../../layout/run-config.ts";
import { ANSWERED, hasFailed, stageProblems, type StageRun } from "../../layout/stage-results.ts";

/** Something that a machine does, with stages around it. */
type Occasion = "upgrade" | "install" | "reset";
export type OccasionRun = `${"before" | "after"}-${Occasion}` | "reconcile" | typeof ANSWERED;

export interface StageControl {
  /** What came of the stages of this boot. */
  readonly runs: () => readonly StageRun[];
  /** Where the machine was not as its config says, when that was looked at last. */
  readonly drift: () => DriftReport | undefined;
  /**
   * Runs a stage to its end, where the config has it.
   *
   * @throws AppError `STAGE_FAILED`: whatever waits for it must not begin
   */
  readonly start: (name: OccasionRun, signal: AbortSignal) => Promise<void>;
}
export interface StageEdge extends Pick<StageControl, "runs" | "drift"> {
  readonly run: Run;
  readonly init: Pick<InitSystem, "kind">;
  /** argv of stage-main.ts. */
  readonly program: readonly [string, ...string[]];
  readonly exists: (path: string) => Promise<boolean>;
  /** Seconds since 1970. */
  readonly now: () => number;
}

export function stageControl({ run, init, program, exists, runs, drift, now }: StageEdge): StageControl {
  return {
    ...{ runs, drift },
    start: async (name, signal) => {
      if (!(await exists(stageMark(name === ANSWERED ? "network" : name)))) return;
      const since = Math.floor(now());
      const argv: readonly [string, ...string[]] =
        init.kind === "systemd" ? ["systemctl", "start", `petrify-stage@${name}.service`] : [...program, name];
      try {
        await run(argv, { keepOutput: 4000, signal });
      } catch (cause) {
        signal.throwIfAborted();
        throw failed(name, "it could not be run", cause);
      }
      const found = runs().find((one) => one.run === name && one.at >= since);
      if (!found?.ended) throw failed(name, "it did not end as it should");
      if (hasFailed(found)) throw failed(name, stageProblems(found).join("; "));
    },
  };
}

const failed = (name: string, why: string, cause?: unknown): AppError =>
  new AppError("STAGE_FAILED", `the stage ${name} of the machine config has failed: ${why}`, {
    hint: "Nothing was changed by what it comes before. See `petrify status`, and the journal of petrify-stage.",
    cause,
  });
