import { Option, type Command } from "commander";
import { AppError } from "../../core/error.ts";
import { formatDuration } from "../../core/units.ts";
import { readAnswer } from "../../host/ask.ts";
import { RESET_KEEPS, type ResetKeep as Keep } from "../../layout/reset-order.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { PlanResetResponse } from "../../protocol/petrify/v1/control_pb.ts";
import type { Cli, CliContext } from "../context.ts";
import { eachNode, showAnswers, type Answered } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";
import { outcomeJson, outcomeTable, type Outcome } from "./followed.ts";

interface ResetOptions extends NodeOptions {
  readonly keep?: readonly Keep[];
  readonly erase?: boolean;
  readonly powerOff?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** `petrify -n NODE reset` */
export function registerControlReset(program: Command, cli: Cli): void {
  const command = program
    .command("reset")
    .summary("make machines as they left the factory")
    .description(
      "Wipes the machine config, the machine's identity and all persistent data, and writes recovery's image to both\n" +
        "slots. Without --keep config a machine has no authority afterwards: nobody calls it until it has an owner again.\n" +
        "Without --yes the names of the machines have to be typed. For admins.",
    )
    .addOption(new Option("--keep <what...>", "leave it as it is").choices(RESET_KEEPS))
    .option("--erase", "overwrite every byte of the partitions that are wiped")
    .option("--power-off", "turn the machines off then")
    .option("--dry-run", "only say what would be wiped, kept and written")
    .option("-y, --yes", "do not ask");
  addNodeOptionsTo(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify -n edge-7 reset --dry-run\n  petrify -n edge-7 reset --keep config identity --yes",
    )
    .action(cli.action(reset));
}

async function reset(context: CliContext, options: ResetOptions): Promise<void> {
  const { keep = [], erase = false, powerOff = false, dryRun = false, yes = false } = options;
  const [{ ControlService, PlanResetResponseSchema, ResetKeep }, { toJson }] = await Promise.all([
    import("../../protocol/petrify/v1/control_pb.ts"),
    import("@bufbuild/protobuf"),
  ]);
  const kept = { data: ResetKeep.DATA, config: ResetKeep.CONFIG, identity: ResetKeep.IDENTITY };
  const wish = { options: { keep: keep.map((what) => kept[what]), erase, powerOff } };
  if (dryRun || !yes) {
    const plans = await eachNode(
      context,
      options,
      async ({ client }, { signal }) => await client(ControlService).planReset(wish, { signal }),
    );
    if (dryRun) return showAnswers(context, plans, (plan) => toJson(PlanResetResponseSchema, plan), planText);
    const known = plans.flatMap((plan) => ("value" in plan ? [plan] : []));
    if (known.length < plans.length) {
      const missing = plans.flatMap((plan) => ("error" in plan ? [`${plan.node}: ${plan.error.message}`] : []));
      throw new AppError("RESET_NOT_POSSIBLE", `nothing was done: ${missing.map(shortLine).join("; ")}`, {
        hint: "Name machines that can be reset.",
      });
    }
    await confirm(context, known);
  }
  const tell = (node: string, text: string): void => {
    const event = { type: "progress", node, text };
    context.output.event(event, shortLine(`${node}: ${text}`));
  };
  const answers = await eachNode(context, options, async ({ client }, { signal }, { node }): Promise<Outcome> => {
    for await (const { news } of client(ControlService).reset(wish, { signal })) {
      if (news.case === "restarting") return { outcome: "restarts into recovery, which resets it", changed: true };
      if (news.case === "now") tell(node, news.value);
    }
    throw new AppError("NODE_FAILED", `${node} has not said whether it is reset`, { hint: `petrify -n ${node} status` });
  });
  showAnswers(context, answers, outcomeJson, outcomeTable);
}

const planText = (rows: readonly Answered<PlanResetResponse>[]): string =>
  rows
    .flatMap(({ node, value: { machine, image, wipes, keeps, steps, seconds } }) => [
      `${node}: ${machine?.hostname} ${machine?.id}, both slots get ${image?.name} ${image?.version}`,
      ...wipes.map((what) => `${node}: wipes ${what}`),
      ...keeps.map((what) => `${node}: keeps ${what}`),
      ...steps.map((step, index) => `${node}: ${index + 1}. ${step}`),
      `${node}: takes about ${formatDuration(Number(seconds))}`,
    ])
    .map(shortLine)
    .join("\n");

/** @throws AppError `CONFIRMATION_MISSING` */
async function confirm(
  { json, terminal, sinks, signal }: CliContext,
  plans: readonly Answered<PlanResetResponse>[],
): Promise<void> {
  const missing = (message: string): AppError =>
    new AppError("CONFIRMATION_MISSING", message, {
      hint: "To go on without a question: --yes. To see what would be done: --dry-run.",
    });
  if (json || !terminal.input.isTTY) throw missing("this wipes machines, and there is nobody to ask");
  const names = plans.map(({ node }) => node).join(",");
  sinks.err(`${planText(plans)}\nThis cannot be taken back. Type ${names} to go on: `);
  if ((await readAnswer(terminal.input, signal)) !== names) throw missing("nothing was done");
}
