/** `petrify -n NODE updates …`: how machines keep themselves current, as `petrify updates` on each of them has it. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import { timeText } from "../../core/date-text.ts";
import { formatSpan, type Seconds } from "../../core/units.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { PlanUpdatesResponse, UpdatesStatus } from "../../protocol/petrify/v1/updates_pb.ts";
import type { Cli, CliContext } from "../context.ts";
import { eachNode, showAnswers, type Answered } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";
import { tableText } from "../table.ts";
import { pauseTime } from "../updates/pause-time.ts";

interface PauseOptions extends NodeOptions {
  readonly for?: Seconds;
  readonly reason?: string;
}
/** Looking asks the machine's source, which may have to be asked several times. */
const LIMIT_MS = 300_000;

const protocol = async () => await import("../../protocol/petrify/v1/updates_pb.ts");

const CALLS = {
  status: [
    "getUpdates",
    "what machines have found, what comes next, and why not now",
    "Asks machines what they have found, what comes next, and why not now. For readers.",
  ],
  check: [
    "checkUpdates",
    "have machines look for a release now",
    "Has machines look for a release now, and says what they have found. For operators.",
  ],
  now: [
    "applyUpdate",
    "have machines apply what they have found, without waiting for a window",
    "Has machines apply what they have found, whatever the release's age, the window, a pause or a hold say, and also where it\n" +
      "has fallen back before. Locks count all the same. The machines restart; this command does not wait for that. For operators.",
  ],
  resume: ["resumeUpdates", "end a pause of machines", "Ends a pause of machines. For operators."],
} as const;

export function registerControlUpdates(program: Command, cli: Cli): void {
  const updates = program
    .command("updates")
    .summary("how machines keep themselves current")
    .description("Shows and steers what `updates` of the machine config has machines do by themselves.")
    .helpCommand(false);
  for (const [name, [method, summary, description]] of Object.entries(CALLS)) {
    const command = updates.command(name).summary(summary).description(description);
    addNodeOptionsTo(command)
      .addHelpText("after", `\nExamples:\n  petrify -n edge-7,edge-8 updates ${name}\n  petrify --all updates ${name} --json`)
      .action(
        cli.action(async (context, options: NodeOptions) => {
          const { UpdatesService } = await protocol();
          const answers = await eachNode(context, options, async ({ client }, { signal }) => {
            const { status } = await client(UpdatesService)[method]({}, { signal, timeoutMs: LIMIT_MS });
            return status!;
          });
          await showStatus(context, answers);
        }),
      );
  }
  registerPlan(updates, cli);
  registerPause(updates, cli);
}

function registerPlan(updates: Command, cli: Cli): void {
  const command = updates
    .command("plan")
    .summary("the next dates of machines, and what would happen then")
    .description("Lists when the sources are looked at, and when windows open, in UTC. Nothing changes. For readers.");
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify -n edge-7 updates plan")
    .action(
      cli.action(async (context, options: NodeOptions) => {
        const [{ UpdatesService, PlanUpdatesResponseSchema }, { toJson }] = [
          await protocol(),
          await import("@bufbuild/protobuf"),
        ];
        const answers = await eachNode(
          context,
          options,
          async ({ client }, call) => await client(UpdatesService).planUpdates({}, call),
        );
        showAnswers(context, answers, (plan) => toJson(PlanUpdatesResponseSchema, plan), planTable);
      }),
    );
}

function registerPause(updates: Command, cli: Cli): void {
  const command = updates
    .command("pause")
    .summary("have machines take nothing for a while")
    .description(
      "The sources are looked at, and nothing is downloaded, staged or applied by itself until the time is over or somebody resumes. For operators.",
    )
    .addOption(pauseTime())
    .option("--reason <text>", "for people who wonder");
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify -l site=berlin updates pause --for 12h --reason 'trade fair'")
    .action(
      cli.action(async (context, { for: seconds, reason = "", ...options }: PauseOptions) => {
        const [{ UpdatesService }, { durationFromMs }] = [await protocol(), await import("@bufbuild/protobuf/wkt")];
        const request = { reason, ...(seconds !== undefined && { duration: durationFromMs(seconds * 1000) }) };
        const answers = await eachNode(context, options, async ({ client }, call) => {
          const { status } = await client(UpdatesService).pauseUpdates(request, call);
          return status!;
        });
        await showStatus(context, answers);
      }),
    );
}

async function showStatus(context: CliContext, answers: Parameters<typeof showAnswers<UpdatesStatus>>[1]): Promise<void> {
  const [{ UpdatesStatusSchema }, { toJson }] = [await protocol(), await import("@bufbuild/protobuf")];
  showAnswers(context, answers, (status) => toJson(UpdatesStatusSchema, status), statusTable);
}

const secondsOf = ({ seconds }: Pick<Timestamp, "seconds">): number => Number(seconds);

const statusTable = (rows: readonly Answered<UpdatesStatus>[]): string =>
  tableText(
    ["NODE", "MODE", "LOOKED", "FOUND", "NEXT"],
    rows.map(({ node, value: { mode, looked, release, step, because, why, lookFailure } }) =>
      [
        ...[node, mode === "" ? "-" : mode, looked ? timeText(secondsOf(looked)) : "-"],
        release ? `${release.version}${release.security ? ", security" : ""}` : "-",
        mode === ""
          ? "the machine config says nothing of updates"
          : `${step === "nothing" ? because : step}: ${lookFailure || why}`,
      ].map(shortLine),
    ),
  );

const planTable = (rows: readonly Answered<PlanUpdatesResponse>[]): string =>
  tableText(
    ["NODE", "AT", "WHAT"],
    rows.flatMap(({ node, value: { now, step, because, why, earliest, dates } }) => [
      [node, now ? timeText(secondsOf(now)) : "", shortLine(`${step === "nothing" ? because : step}: ${why}`)],
      ...(earliest ? [[node, timeText(secondsOf(earliest)), "restart, at the earliest"]] : []),
      ...dates.map(({ at, what, until }) => [
        ...[node, at ? timeText(secondsOf(at)) : ""],
        shortLine(at && until ? `${what}, for ${formatSpan(secondsOf(until) - secondsOf(at))}` : what),
      ]),
    ]),
  );
