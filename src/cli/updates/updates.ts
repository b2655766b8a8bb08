import type { Command } from "commander";
import type { UpdatePlan } from "../../agent/updates/plan.ts";
import type { PauseRequest, UpdatesStatus } from "../../agent/updates/updates.ts";
import { AGENT_SOCKET } from "../../agent/status.ts";
import type { Seconds } from "../../core/units.ts";
import { askLocally } from "../../host/unix-http.ts";
import type { NodeCli, NodeContext } from "../node-context.ts";
import { pauseTime } from "./pause-time.ts";
import { planText, statusText } from "./updates-text.ts";

export function registerUpdates(program: Command, cli: NodeCli): void {
  const updates = program
    .command("updates")
    .summary("how this machine keeps itself current")
    .description("Shows and steers what `updates` of the machine config has this machine do by itself. Has to be run as root.");
  updates
    .command("status")
    .summary("what was found, what comes next, and why not now")
    .description(
      "Shows what the source has for this machine, how far that has come, and what keeps it from going on: a window, a pause, a lock.\n" +
        "Nothing changes.",
    )
    .addHelpText("after", "\nExamples:\n  petrify updates status\n  petrify updates status --json | jq -r .value.next.because")
    .action(cli.action(async (context) => await showStatus(context, "status")));
  updates
    .command("plan")
    .summary("the next dates, and what would happen then")
    .description("Lists when the source is looked at, and when windows open, in UTC. Nothing changes.")
    .addHelpText("after", "\nExamples:\n  petrify updates plan\n  petrify updates plan --json | jq .value.dates")
    .action(cli.action(showPlan));
  updates
    .command("check")
    .summary("look for a release now")
    .description(
      "Looks at the source now, whenever the next look would be, and shows what comes of it. What is found is taken when its time\n" +
        "comes. Exit code 1: the source cannot be looked at.",
    )
    .addHelpText("after", "\nExamples:\n  petrify updates check")
    .action(cli.action(async (context) => await showStatus(context, "check")));
  updates
    .command("now")
    .summary("apply what was found, without waiting for a window")
    .description(
      "What the source has is applied now, whatever its age, the window, a pause or a hold say, and also where it has fallen back\n" +
        "here before. Locks count all the same. The agent does the work; the machine restarts.",
    )
    .addHelpText("after", "\nExamples:\n  petrify updates now")
    .action(cli.action(async (context) => await showStatus(context, "apply")));
  updates
    .command("pause")
    .summary("take nothing for a while")
    .description(
      "The source is looked at, and nothing is downloaded, staged or applied by itself until the time is over or somebody resumes.",
    )
    .addOption(pauseTime())
    .option("--reason <text>", "for people who wonder")
    .addHelpText("after", "\nExamples:\n  petrify updates pause --for 12h --reason 'trade fair'\n  petrify updates pause")
    .action(
      cli.action(async (context, { for: seconds, reason }: { readonly for?: Seconds; readonly reason?: string }) => {
        const request: PauseRequest = { ...(seconds !== undefined && { seconds }), ...(reason !== undefined && { reason }) };
        await showStatus(context, "pause", request);
      }),
    );
  updates
    .command("resume")
    .summary("end a pause")
    .description("What was found is taken from now on, when its time comes. Without a pause nothing changes.")
    .addHelpText("after", "\nExamples:\n  petrify updates resume")
    .action(cli.action(async (context) => await showStatus(context, "resume")));
}

async function showStatus(
  { output, signal }: NodeContext,
  call: "status" | "check" | "apply" | "pause" | "resume",
  body: object = {},
): Promise<void> {
  const answers =
    call === "status"
      ? askLocally(AGENT_SOCKET, "GET", "/updates", signal)
      : askLocally(AGENT_SOCKET, "POST", `/updates/${call}`, signal, body);
  for await (const value of answers) output.result(value as UpdatesStatus, statusText(value as UpdatesStatus));
}

async function showPlan({ output, signal }: NodeContext): Promise<void> {
  for await (const value of askLocally(AGENT_SOCKET, "GET", "/updates/plan", signal))
    output.result(value as UpdatePlan, planText(value as UpdatePlan));
}
