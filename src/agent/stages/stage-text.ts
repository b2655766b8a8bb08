/** A stage for the journal: its graph before, what came of it after. Pure. Names only, never contents. */
import type { StageStep } from "../../config/machine/compile/stage-plan.ts";
import type { StageResult, StepResult } from "../../layout/stage-results.ts";

export const beforeText = (stage: string, steps: readonly Pick<StageStep, "name" | "after">[]): readonly string[] => [
  `stage ${stage}: ${counted(steps.length)}`,
  ...steps.map(({ name, after }, index) => {
    const numbers = after.map((other) => steps.findIndex((step) => step.name === other) + 1);
    return `  ${index + 1}. ${name}${numbers.length > 0 ? `  (after ${numbers.join(", ")})` : ""}`;
  }),
];

const WORDS: Readonly<Record<StepResult["is"], string>> = {
  ...{ done: "done", failed: "failed", passed: "passed over", skipped: "not run" },
};

export function afterText({
  name,
  steps,
  failed,
}: StageResult): readonly { readonly level: "info" | "error"; readonly line: string }[] {
  const done = steps.filter(({ is }) => is === "done").length;
  const ms = steps.reduce((sum, { tookMs }) => sum + tookMs, 0);
  return [
    ...steps.map(({ name: step, is, why, tookMs }) => ({
      level: is === "failed" || is === "skipped" ? ("error" as const) : ("info" as const),
      line: `  ${WORDS[is]}: ${step}${why === undefined ? "" : `: ${why}`}${is === "done" ? `, ${tookMs} ms` : ""}`,
    })),
    {
      level: failed ? "error" : "info",
      line: `stage ${name} ${failed ? "failed" : "ended"}: ${done} of ${counted(steps.length)} done, ${ms} ms`,
    },
  ];
}

const counted = (count: number): string => (count === 1 ? "1 step" : `${count} steps`);
