/** docs/crash-matrix.md: what was cut off, where, and what was left. Pure. */
import type { CutResult, Failure, StepResult } from "./matrix.ts";
import type { OverwriteResult } from "./overwrite.ts";
import type { BootResult, MatrixResult } from "./run-matrix.ts";

export interface Circumstances {
  readonly date: Date;
  readonly commit: string;
  readonly node: string;
  readonly seed: number;
  readonly minutes: number;
}
/** What a safety measure is for: left out, so many states are not what they have to be. */
export interface Detection {
  readonly left: string;
  readonly scenario: string;
  readonly failures: number;
  /** What is said most often. */
  readonly example: string;
}

const NUMBERS = ["epochs", "raw", "distinct", "judged", "failures"] as const;
type Totals = Record<(typeof NUMBERS)[number], number>;
const totals = (steps: readonly StepResult[]): Totals =>
  Object.fromEntries(NUMBERS.map((name) => [name, steps.reduce((sum, step) => sum + step[name], 0)])) as Totals;
const cells = (sums: Totals): string => NUMBERS.map((name) => sums[name]).join(" | ");

/** The page as a whole. */
export function crashReport(
  { cuts, overwrites, boots }: MatrixResult,
  detections: readonly Detection[],
  circumstances: Circumstances,
): string {
  const { date, commit, node, seed, minutes } = circumstances;
  const recordings: readonly Recording[] = [...cuts.map(({ cut, steps }) => ({ name: cut.scenario.name, steps })), ...overwrites];
  const names = [...new Set(recordings.map(({ name }) => name))];
  const rows = names.flatMap((name) => {
    const mine = recordings.filter((one) => one.name === name);
    const steps = [...new Set(mine.flatMap((one) => one.steps.map(({ step }) => step)))];
    return steps.map((step) => {
      const sums = totals(mine.flatMap((one) => one.steps.filter((other) => other.step === step)));
      return `| ${name} | ${step} | ${mine.length} | ${cells(sums)} |`;
    });
  });
  const all = totals(recordings.flatMap(({ steps }) => steps));
  return [
    "# The crash matrix",
    "",
    "Written by `npm run crash-matrix`; not edited by hand. How it works, and what the words mean: [power cuts](concepts/power-cuts.md).",
    "",
    `${date.toISOString().slice(0, 10)}, commit ${commit.slice(0, 12)}, Node ${node}, seed ${seed}, ${minutes.toFixed(0)} minutes, ${controllersOf(cuts).join(", ")}.`,
    "",
    "| operation | step | recordings | epochs | states | different | judged | failures |",
    "|---|---|---|---|---|---|---|---|",
    ...rows,
    `| **all** | | ${recordings.length} | ${cells(all)} |`,
    "",
    `Booted for real: ${boots.length} of the states, by way of firmware and GRUB in QEMU; ${unexpected(boots)} started something else than the verdict says.`,
    ...(detections.length === 0
      ? []
      : [
          "",
          "## It can fail",
          "",
          "The same with a safety measure left out, which only the tests can do. Each is caught:",
          "",
          "| left out | operation | states that fail | for example |",
          "|---|---|---|---|",
          ...detections.map((one) => `| ${one.left} | ${one.scenario} | ${one.failures} | ${cell(one.example)} |`),
        ]),
    "",
  ].join("\n");
}

type Recording = Pick<OverwriteResult, "name" | "steps">;
const controllersOf = (cuts: readonly CutResult[]): string[] => [...new Set(cuts.map(({ cut }) => cut.controller))];
const unexpected = (boots: readonly BootResult[]): number => boots.filter(({ asExpected }) => !asExpected).length;
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

/** For the console: enough to find the state again. */
export function failureText({ scenario, controller, seed, epoch, step, survived, problems }: Failure): string {
  return [
    `${scenario} on ${controller}, seed ${seed}, epoch ${epoch} (${step})`,
    "  survived, of what was not durable:",
    ...survived.map((text) => `    ${text}`),
    ...problems.map((text) => `  ${text}`),
  ].join("\n");
}

/** What several failures say, the most frequent first. */
export function frequent(failures: readonly Failure[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const text of failures.flatMap(({ problems }) => problems)) counts.set(text, 1 + (counts.get(text) ?? 0));
  return [...counts].toSorted(([, a], [, b]) => b - a).map(([text]) => text);
}
