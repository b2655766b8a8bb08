import type { Command } from "commander";
import { AppError } from "../../core/error.ts";
import { formatSize } from "../../core/units.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { PlanUpgradeResponse } from "../../protocol/petrify/v1/control_pb.ts";
import type { Cli, CliContext } from "../context.ts";
import { eachNode, showAnswers, type Answered } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";
import { UsageError } from "../output.ts";
import { tableText } from "../table.ts";
import { followed, outcomeJson, outcomeTable, type Outcome } from "./followed.ts";

interface UpgradeOptions extends NodeOptions {
  readonly plan?: boolean;
  readonly stage?: boolean;
  readonly recovery?: boolean;
  readonly force?: boolean;
  readonly older?: boolean;
  readonly expired?: boolean;
  readonly otherImage?: boolean;
  readonly cancel?: boolean;
}

/** What was asked for is so: who repeats a request has not failed. */
const DONE_ALREADY: ReadonlySet<string> = new Set(["ALREADY_RUNNING", "ALREADY_STAGED"]);

/** `petrify -n NODE upgrade` */
export function registerControlUpgrade(program: Command, cli: Cli): void {
  const command = program
    .command("upgrade")
    .argument("[image]", "a release (REGISTRY/REPOSITORY:TAG), a URL of an image, or the path of one on the machines")
    .summary("bring an image to machines, and boot it on trial")
    .description(
      "Each machine writes the image over the slot that it does not run, verifies it, and restarts into it. Then it is on\n" +
        "trial: where its health checks do not pass, the machine goes back by itself. This command waits until that is\n" +
        "decided; a machine goes on when it is interrupted. For operators.\n" +
        "Exit code 1: a machine has refused, failed, or gone back.",
    )
    .option("--plan", "say what would be done, and change nothing")
    .option("--stage", "do not restart: the image runs after the next restart")
    .option("--recovery", "replace the recovery image instead")
    .option("--force", "also an image that a machine has already")
    .option("--older", "also a release that is older than what runs")
    .option("--expired", "also a release that has expired")
    .option("--other-image", "also a release of another image than the one that runs")
    .option("--cancel", "end what is under way; what is staged is taken back");
  addNodeOptionsTo(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify -n edge-7 upgrade registry.example/edge:1.5.0 --plan\n  petrify -n edge-7,edge-8 upgrade registry.example/edge:1.5.0\n" +
        "  petrify -l site=berlin upgrade registry.example/edge:1.5.0 --stage\n  petrify -n edge-7 upgrade --cancel",
    )
    .action(cli.action(upgrade));
}

async function upgrade(context: CliContext, image: string | undefined, options: UpgradeOptions): Promise<void> {
  const { ControlService } = await import("../../protocol/petrify/v1/control_pb.ts");
  if (options.cancel) {
    const answers = await eachNode(context, options, async ({ client }, call) => {
      const { ended } = await client(ControlService).cancelOperation({}, call);
      return { outcome: ended?.outcome ?? "cancelled", changed: true };
    });
    return showAnswers(context, answers, outcomeJson, outcomeTable);
  }
  if (image === undefined) throw new UsageError("USAGE", "an image is missing", { hint: "See `petrify upgrade --help`." });
  const { stage = false, recovery = false, force = false, older = false, expired = false, otherImage = false } = options;
  const wish = { options: { image, stage, recovery, force, older, expired, otherImage } };
  if (options.plan) {
    const answers = await eachNode(
      context,
      options,
      async ({ client }, { signal }) => await client(ControlService).planUpgrade(wish, { signal }),
    );
    const [{ toJson }, { PlanUpgradeResponseSchema }] = await Promise.all([
      import("@bufbuild/protobuf"),
      import("../../protocol/petrify/v1/control_pb.ts"),
    ]);
    return showAnswers(context, answers, (plan) => toJson(PlanUpgradeResponseSchema, plan), planTable);
  }
  const answers = await eachNode(context, options, async ({ client }, { signal }, called): Promise<Outcome> => {
    try {
      return await followed(context, client(ControlService).upgrade(wish, { signal }), called);
    } catch (error) {
      const known = called.failure(error);
      if (!(known instanceof AppError && DONE_ALREADY.has(known.code))) throw error;
      return { outcome: shortLine(known.message), changed: false };
    }
  });
  showAnswers(context, answers, outcomeJson, outcomeTable);
}

function planTable(rows: readonly Answered<PlanUpgradeResponse>[]): string {
  const table = tableText(
    ["NODE", "IMAGE", "TRUST", "TO", "BYTES", "DOWNLOAD"],
    rows.map(({ node, value: { image, trust, target, bytes, delivery } }) =>
      [node, `${image?.name} ${image?.version}`, trust, target, formatSize(Number(bytes)), delivery || "-"].map(shortLine),
    ),
  );
  const steps = rows.flatMap(({ node, value }) => value.steps.map((step, index) => shortLine(`${node}: ${index + 1}. ${step}`)));
  return [table, ...steps].join("\n");
}
