/** Runs stages one after the other: their steps in the order of the graph, told before and after. docs/concepts/stages.md */
import type { StagePlan, StageStep } from "../../config/machine/compile/stage-plan.ts";
import { judgeConditions } from "../../config/machine/conditions.ts";
import { orderSteps } from "../../config/machine/step-graph.ts";
import { STAGE_NAMES, type StageName } from "../../config/machine/stages.ts";
import { runOf } from "../../layout/run-config.ts";
import { type StageResult, type StageRun, type StepResult } from "../../layout/stage-results.ts";
import { onceSteps } from "./once.ts";
import type { StagePorts } from "./ports.ts";
import { holds } from "./run-commands.ts";
import { runStep } from "./run-step.ts";
import { afterText, beforeText } from "./stage-text.ts";

export interface StagesToRun {
  readonly run: string;
  /** Default: those of its name. */
  readonly stages?: readonly StageName[];
  readonly generation: number | undefined;
  readonly plan: StagePlan;
  /** What kept the plan from being whole, a sentence each. */
  readonly problems?: readonly string[];
}

/** @param keep called whenever there is more to tell @returns what came of it; never throws but for `keep` */
export async function runStages(
  { run, generation, plan, problems = [], stages: names = STAGE_NAMES.filter((stage) => runOf(stage) === run) }: StagesToRun,
  ports: StagePorts,
  keep: (run: StageRun) => Promise<void>,
): Promise<StageRun> {
  const began = ports.uptime();
  const head = { run, ...(generation === undefined ? {} : { generation }), at: ports.now() };
  const stages: StageResult[] = [];
  const now = (): StageRun => ({ ...head, tookMs: Math.round(ports.uptime() - began), stages: [...stages], problems });
  await keep(now());
  for (const name of names) {
    const result = await runStage(name, plan, ports);
    if (!result) continue;
    stages.push(result);
    await keep(now());
  }
  const ended: StageRun = { ...now(), ended: true };
  for (const problem of problems) ports.log("error", problem);
  await keep(ended);
  return ended;
}

/** Nothing where it has nothing to do. */
async function runStage(name: StageName, plan: StagePlan, ports: StagePorts): Promise<StageResult | undefined> {
  const { steps, leftOut } = orderSteps(plan.stages[name] ?? []);
  const once = onceSteps(name, plan, ports);
  if (steps.length + leftOut.length + once.length === 0) return undefined;
  for (const line of beforeText(name, [...steps, ...once.map((one) => ({ name: one.name, after: [] }))])) ports.log("info", line);
  const results: StepResult[] = leftOut.map(({ step, problem }) => ({
    ...{ name: step.name, is: "skipped", why: problem, tookMs: 0 },
  }));
  let failed: string | undefined;
  for (const step of steps) {
    const began = ports.uptime();
    const outcome: Outcome =
      failed !== undefined && !step.own
        ? { is: "skipped", why: `the stage ended with ${failed}` }
        : await tried(name, step, plan, ports);
    results.push({ name: step.name, ...outcome, tookMs: Math.round(ports.uptime() - began) });
    if (outcome.is === "failed" && step.onError === "fail") failed ??= step.name;
  }
  for (const { name: what, run } of once) {
    const began = ports.uptime();
    results.push({ name: what, ...(await run()), tookMs: Math.round(ports.uptime() - began) });
  }
  const result: StageResult = { name, failed: failed !== undefined, steps: results };
  for (const { level, line } of afterText(result)) ports.log(level, line);
  return result;
}

type Outcome = Pick<StepResult, "is" | "why">;

async function tried(stage: StageName, step: StageStep, plan: StagePlan, ports: StagePorts): Promise<Outcome> {
  const { conditions } = step;
  const paths = [...conditions.files, ...conditions.anyFile, ...conditions.noFiles];
  const there = new Set<string>();
  for (const path of paths) if (await ports.has(path)) there.add(path);
  const verdict = judgeConditions(conditions, { ...ports.facts, init: ports.init, has: (path) => there.has(path) });
  const [undecided] = verdict.undecided;
  if (undecided) return { is: "failed", why: `${undecided.field} ${undecided.problem}` };
  if (!verdict.holds) return { is: "passed", ...(verdict.why === undefined ? {} : { why: verdict.why }) };
  if (conditions.command !== undefined) {
    try {
      const env = { HOME: "/root", ...plan.environment, ...step.environment };
      if (!(await holds(conditions.command, env, ports))) return { is: "passed", why: "if does not hold" };
    } catch (error) {
      return { is: "failed", why: `if cannot be decided: its command ${(error as Error).message}` };
    }
  }
  const why = await runStep(stage, step, plan.environment, ports);
  return why === undefined ? { is: "done" } : { is: "failed", why };
}
