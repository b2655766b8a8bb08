import type { Command } from "commander";
import type { CheckEvent, CheckRequest, UpgradePlan } from "../agent/operations/service.ts";
import { AGENT_SOCKET } from "../agent/status.ts";
import { AppError } from "../core/error.ts";
import { formatSize } from "../core/units.ts";
import { fileExists } from "../host/files.ts";
import { askLocally } from "../host/unix-http.ts";
import { targetName } from "../layout/cmdline.ts";
import type { FinishedOperation } from "../layout/operation.ts";
import type { Told } from "../release/may-upgrade.ts";
import { followOperation } from "./follow-operation.ts";
import { imageSource } from "./image-source.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";
import { UsageError } from "./output.ts";
import { stalePaths } from "./stale-paths.ts";

interface UpgradeOptions {
  readonly plan?: boolean;
  readonly check?: boolean;
  readonly stage?: boolean;
  readonly recovery?: boolean;
  readonly force?: boolean;
  readonly follow?: boolean;
  readonly cancel?: boolean;
  readonly older?: boolean;
  readonly expired?: boolean;
  readonly otherImage?: boolean;
}

export function registerUpgrade(program: Command, cli: NodeCli): void {
  program
    .command("upgrade")
    .argument(
      "[image]",
      "a release (REGISTRY/REPOSITORY:TAG, oci:FOLDER, https://HOST/FOLDER/), or a system image: a file, a folder that holds one, a URL",
    )
    .summary("bring an image to the slot that is not running, and boot it on trial")
    .description(
      "Writes the image over the slot that is not running, reads it back from the disk and compares every byte with its\n" +
        "manifest, makes the slot the active one and restarts. The new image is on trial: where its health checks do not pass,\n" +
        "the machine goes back by itself and says why (`petrify history`).\n" +
        "Of a release only what is missing is downloaded: a delta to the running image, or segments that this machine does not\n" +
        "have. A machine that has trusted keys takes only releases that one of them has signed.\n" +
        "The agent does the work: it goes on when this command is interrupted, and after a power cut where it was.\n" +
        "With --check the whole release is fetched, compared and kept nowhere.\n" +
        "Has to be run as root. Exit code 1: refused, failed, or (with --check) the image is damaged.",
    )
    .option("--plan", "say what would be done, and change nothing")
    .option("--check", "read the whole image and compare it with its manifest, and change nothing")
    .option("--stage", "do not restart: the image runs after the next restart")
    .option("--recovery", "replace the recovery image instead")
    .option("--force", "also an image that this machine has already")
    .option("--older", "also a release that is older than what runs")
    .option("--expired", "also a release that has expired")
    .option("--other-image", "also a release of another image than the one that runs")
    .option("--follow", "show how far the present operation is")
    .option("--cancel", "end the present operation; what is staged is taken back")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify upgrade /usr/local/edge-1.2.0.img --plan\n  petrify upgrade https://images.example/edge-1.2.0.img\n  petrify upgrade registry.example/edge:1.2.0\n  petrify upgrade oci:/mnt/stick\n  petrify upgrade https://files.example/edge/:1.2.0\n  petrify upgrade --stage edge-1.2.0.img && petrify reboot\n  petrify upgrade --recovery edge-1.2.0.img",
    )
    .action(cli.action(upgrade));
}

async function upgrade(context: NodeContext, image: string | undefined, options: UpgradeOptions): Promise<void> {
  const { signal, output } = context;
  if (options.follow) return await followOperation(context, askLocally(AGENT_SOCKET, "GET", "/operation", signal));
  if (options.cancel) return await cancel(context);
  if (image === undefined) throw new UsageError("USAGE", "an image is missing", { hint: "See `petrify upgrade --help`." });
  const source = await imageSource(image, context.cwd, fileExists);
  const { recovery = false, force = false, older, expired, otherImage } = options;
  const told: readonly Told[] = [
    ...(older ? (["older"] as const) : []),
    ...(expired ? (["expired"] as const) : []),
    ...(otherImage ? (["other-image"] as const) : []),
  ];
  if (options.check) return await check(context, { source, told });
  const request = { source, recovery, force, restart: options.stage !== true, told };
  try {
    const plan = await planOf(request, signal);
    if (options.plan) {
      const stale = recovery ? [] : await stalePaths(context);
      return output.result({ ...plan, stale, changed: false }, planText(plan, stale));
    }
    output.event({ type: "plan", ...plan }, headText(plan));
  } catch (error) {
    if (!(error instanceof AppError && DONE_ALREADY.has(error.code))) throw error;
    return output.result({ changed: false, code: error.code }, `${error.message}. ${error.hint ?? ""}`.trim());
  }
  await followOperation(context, askLocally(AGENT_SOCKET, "POST", "/upgrade", signal, request));
}

/** What was asked for is so: a program that repeats its request has not failed. */
const DONE_ALREADY: ReadonlySet<string> = new Set(["ALREADY_RUNNING", "ALREADY_STAGED"]);

async function planOf(request: object, signal: AbortSignal): Promise<UpgradePlan> {
  for await (const value of askLocally(AGENT_SOCKET, "POST", "/upgrade/plan", signal, request)) return value as UpgradePlan;
  throw new Error("the agent has no answer");
}

async function cancel({ output, signal }: NodeContext): Promise<void> {
  for await (const value of askLocally(AGENT_SOCKET, "POST", "/upgrade/cancel", signal)) {
    const ended = value as FinishedOperation;
    output.result(ended, `Cancelled: ${ended.target} does not boot, and what runs stays what boots.`);
  }
}

async function check({ output, signal, sinks, endWith }: NodeContext, request: CheckRequest): Promise<void> {
  const isLive = sinks.columns() > 0;
  for await (const value of askLocally(AGENT_SOCKET, "POST", "/upgrade/check", signal, request)) {
    const { percent, result } = value as CheckEvent;
    if (percent !== undefined) output.event({ type: "progress", percent } as never, isLive ? undefined : `${percent} %`);
    if (!result) continue;
    const { image, trust } = result.image;
    const what = `${image.name} ${image.version} (sha256:${image.digest}, ${trust})`;
    output.result(result, result.damage === undefined ? `${what} is whole.` : `${what} is DAMAGED: ${result.damage}.`);
    if (result.damage !== undefined) endWith(1);
  }
}

const row = (name: string, text: string): string => `${name.padEnd(10)}${text}`;

function headText({ image: { image, trust }, target, capacity, running }: UpgradePlan): string {
  return [
    row("image", `${image.name} ${image.version} (${trust})`),
    row("", `sha256:${image.digest}`),
    row("size", `${formatSize(image.size)} of ${formatSize(capacity)} in ${target}`),
    row("running", `${targetName(running.slot)}${running.version ? `, ${running.version}` : ""}`),
  ].join("\n");
}

function planText(plan: UpgradePlan, stale: readonly string[]): string {
  const { replaces, bytes, steps, image } = plan;
  const days = new Date(image.created * 1000).toISOString().slice(0, 10);
  const lines = [
    headText(plan),
    row("packages", `of ${days}, kernel ${image.kernel}`),
    ...(replaces
      ? [row("replaces", `${replaces.state}${replaces.digest ? ` sha256:${replaces.digest.slice(0, 12)}` : ""}`)]
      : []),
    ...(plan.delivery ? [row("download", `at most: ${plan.delivery.way}`)] : []),
    row("bytes", bytes === 0 ? "none: the image is there already" : `${formatSize(bytes)} to read and write`),
    ...steps.map((step, index) => row(index === 0 ? "steps" : "", `${index + 1}. ${step}`)),
    ...(stale.length > 0 ? stale.map((path, index) => row(index === 0 ? "hidden" : "", path)) : [row("hidden", "nothing")]),
  ];
  return lines.join("\n");
}
