/** @portable What came of a run of stages: a file in `/run/petrify/stages`, named by the run. docs/formats/stages.md */
import { RUN_FOLDER } from "./fstab.ts";

/** For root only. */
export const STAGE_RESULTS = `${RUN_FOLDER}/stages`;
/** The run that writes files when a config is applied: those of all stages of a boot. */
export const APPLIED = "apply";
/** The run of the stages of the network once all of the config is known; what is done once for each instance waits for it. */
export const ANSWERED = "answered";
const FORMAT = 1;

export interface StepResult {
  readonly name: string;
  /** `passed`: its conditions do not hold. `skipped`: the stage had ended before, or it has no place in the order. */
  readonly is: "done" | "failed" | "passed" | "skipped";
  /** A few words, but of one that is done. */
  readonly why?: string;
  readonly tookMs: number;
}
export interface StageResult {
  readonly name: string;
  /** A step failed whose `on_error` is `fail`. */
  readonly failed: boolean;
  /** In the order in which they ran. */
  readonly steps: readonly StepResult[];
}
/** What began together: `fs.before`, `fs` and `fs.after` are the run `fs`. */
export interface StageRun {
  readonly run: string;
  /** Of the config. */
  readonly generation?: number;
  /** When it began, in seconds since 1970. */
  readonly at: number;
  readonly tookMs: number;
  /** Absent while it runs. */
  readonly ended?: true;
  readonly stages: readonly StageResult[];
  /** What kept it from running as it should, a sentence each. */
  readonly problems: readonly string[];
}

export const encodeStageRun = (run: StageRun): string => `${JSON.stringify({ format: FORMAT, ...run })}\n`;

/** Of this boot, so nothing but the format is checked. @returns nothing for what cannot be read */
export function parseStageRun(text: string): StageRun | undefined {
  try {
    const { format, ...run } = JSON.parse(text) as StageRun & { readonly format?: unknown };
    return format === FORMAT ? run : undefined;
  } catch {
    return undefined;
  }
}

/** What did not come to what the config says, a sentence each. */
export const stageProblems = ({ stages, problems }: StageRun): readonly string[] => [
  ...problems,
  ...stages.flatMap(({ name, steps }) =>
    steps.flatMap((step) =>
      step.is === "failed" || step.is === "skipped" ? [`${name}: ${step.name} ${WORDS[step.is]}: ${step.why ?? ""}`] : [],
    ),
  ),
];
const WORDS = { failed: "failed", skipped: "was not run" } as const;

/** Whether what waits for it may go on. */
export const hasFailed = ({ stages }: StageRun): boolean => stages.some(({ failed }) => failed);
