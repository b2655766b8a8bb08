import { join, resolve } from "node:path";
import { Option, type Command } from "commander";
import type { OperationNews } from "../agent/operations/driver.ts";
import type { UpgradePlan } from "../agent/operations/service.ts";
import type { ResetPlan } from "../agent/reset.ts";
import type { ResetNews, ResetRequest } from "../agent/reset-loop.ts";
import { AGENT_SOCKET } from "../agent/status.ts";
import { AppError } from "../core/error.ts";
import { formatDuration, formatSize } from "../core/units.ts";
import { readAnswer } from "../host/ask.ts";
import { listFolder } from "../host/files.ts";
import { askLocally } from "../host/unix-http.ts";
import type { ImageSource, ImageSummary } from "../layout/operation.ts";
import { AFTER_RESET, RESET_KEEPS, type AfterReset, type ResetKeep } from "../layout/reset-order.ts";
import { shown } from "./diff-text.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";

export interface ResetOptions {
  readonly keep?: readonly ResetKeep[];
  readonly erase?: boolean;
  readonly image?: string;
  readonly after?: AfterReset;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}
type Ask = (method: "POST", path: string, signal: AbortSignal, body: object) => AsyncIterable<unknown>;

const EXAMPLES = `
Examples:
  petrify reset --dry-run
  petrify reset --keep config --keep identity
  petrify reset --erase --after poweroff
  petrify reset --image https://images.example/edge-1.2.0.img --yes`;

export function registerReset(program: Command, cli: NodeCli): void {
  program
    .command("reset")
    .summary("make this machine as it left the factory")
    .description(
      "Wipes the machine config, the machine's identity and all persistent data, and writes recovery's image to both\n" +
        "slots. Recovery does it, after a restart and without a question; after a power cut it goes on. Then the machine\n" +
        "boots as at its first time. Recovery is verified first: where it cannot do it, nothing is changed.\n" +
        "Has to be run as root.",
    )
    .addOption(new Option("--keep <what...>", "leave it as it is").choices(RESET_KEEPS))
    .option("--erase", "overwrite every byte of the partitions that are wiped")
    .option("--image <image>", "bring this image (a file, a folder or a URL) to recovery first")
    .addOption(new Option("--after <what>", "what to do then").choices(AFTER_RESET).default("reboot"))
    .option("--dry-run", "only say what would be wiped, kept and written")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", EXAMPLES)
    .action(cli.action(async (context, options: ResetOptions) => await resetMachine(context, options)));
}

const askAgent: Ask = (method, path, signal, body) => askLocally(AGENT_SOCKET, method, path, signal, body);

/** @param ask what the agent answers */
export async function resetMachine(context: NodeContext, options: ResetOptions, ask: Ask = askAgent): Promise<void> {
  const { output, signal, cwd } = context;
  const { keep = [], erase = false, after = "reboot", image, dryRun = false, yes = false } = options;
  const request: ResetRequest = { keep: RESET_KEEPS.filter((what) => keep.includes(what)), erase, after };
  const source = image === undefined ? undefined : sourceOf(image, cwd);
  const wish = { source, recovery: true, force: false, restart: false };
  const upgrade = source && ((await first(ask("POST", "/upgrade/plan", signal, wish))) as UpgradePlan);
  const found = (await first(ask("POST", "/reset/plan", signal, request))) as ResetPlan;
  const plan = upgrade ? { ...found, image: upgrade.image.image } : found;
  const paths = await pathsOfNote(context.root, request);
  const text = planText(plan, paths, upgrade !== undefined);
  if (dryRun) return output.result({ ...plan, paths, changed: false }, text);
  if (!yes) await confirm(context, plan, text);
  if (upgrade) await bring(context, ask("POST", "/upgrade", signal, wish), upgrade.image.image);
  for await (const value of ask("POST", "/reset", signal, request)) {
    const news = value as ResetNews;
    if ("restarting" in news) {
      const then = after === "reboot" ? "then the machine boots as at its first time" : "then the machine is off";
      return output.result(
        { ...plan, restarting: news.restarting, changed: true },
        `The machine restarts into recovery, which resets it; ${then}.`,
      );
    }
    output.event({ type: "progress", ...news.now }, news.now.text);
  }
}

/** Brings an image to recovery, and follows that to its end. @throws AppError `OPERATION_FAILED` */
async function bring({ output }: NodeContext, news: AsyncIterable<unknown>, { name, version }: ImageSummary): Promise<void> {
  let at: string | undefined;
  for await (const value of news) {
    const event = value as OperationNews;
    if ("ended" in event) {
      const { outcome, reason, target } = event.ended;
      if (outcome === "succeeded") return;
      throw new AppError("OPERATION_FAILED", `${name} ${version} did not come to recovery: ${reason ?? target}`, {
        hint: "Nothing was wiped. See `petrify history`.",
      });
    }
    if (!("now" in event)) continue;
    output.event({ type: "progress", ...event.now }, event.now.at === at ? undefined : event.now.text);
    ({ at } = event.now);
  }
  throw new AppError("OPERATION_FAILED", `nobody knows whether ${name} ${version} came to recovery`, {
    hint: "Nothing was wiped. See `petrify history`.",
  });
}

async function first(answers: AsyncIterable<unknown>): Promise<unknown> {
  for await (const answer of answers) return answer;
  throw new Error("the agent has no answer");
}

const sourceOf = (image: string, cwd: string): ImageSource =>
  /^https?:\/\//.test(image) ? { is: "url", url: image } : { is: "file", path: resolve(cwd, image) };

/** petrify's own on the oem partition, and its file system's. */
const OWN: ReadonlySet<string> = new Set(["petrify", "identity", "lost+found"]);

/** What somebody may miss, by the part of the reset that takes it. */
async function pathsOfNote(root: string, { keep }: ResetRequest): Promise<Readonly<Record<string, readonly string[]>>> {
  const below = async (folder: string): Promise<readonly string[]> => {
    const names: readonly string[] = await listFolder(join(root, folder)).catch(() => []);
    return names.map((name) => `${folder}/${name}`);
  };
  const config = (await below("/oem")).filter((path) => !OWN.has(path.slice("/oem/".length)));
  const data = [...(await below("/home")), ...(await below("/srv")), ...(await below("/opt"))];
  return { ...(keep.includes("data") ? {} : { data }), ...(keep.includes("config") ? {} : { config }) };
}

const MAX_PATHS = 8;
const row = (name: string, text: string): string => `${name.padEnd(10)}${text}`;

function planText(plan: ResetPlan, paths: Readonly<Record<string, readonly string[]>>, isBrought: boolean): string {
  const { machine, image, wipes, keeps, steps, seconds, bytes, erase } = plan;
  const about = ({ what, text }: { readonly what: string; readonly text: string }): string => `${what}: ${text}`;
  const lost = wipes.flatMap((one) => {
    const all = paths[one.what] ?? [];
    const more = all.length > MAX_PATHS ? [`  and ${all.length - MAX_PATHS} more`] : [];
    return [about(one), ...all.slice(0, MAX_PATHS).map((path) => `  ${shown(path)}`), ...more];
  });
  const listed = (name: string, lines: readonly string[]): string[] =>
    lines.map((line, index) => row(index === 0 ? name : "", line));
  return [
    row("machine", `${machine.hostname} ${machine.id}`),
    row(
      "image",
      `${image.name} ${image.version} for both slots, ${isBrought ? "which comes to recovery first" : "from recovery"}`,
    ),
    row("", `sha256:${image.digest}`),
    ...listed("wipes", lost),
    ...listed("keeps", keeps.length > 0 ? keeps.map(about) : ["nothing"]),
    ...listed(
      "steps",
      [...(isBrought ? ["bring the image to recovery"] : []), ...steps].map((step, index) => `${index + 1}. ${step}`),
    ),
    row(
      "takes",
      `about ${formatDuration(30 * Math.ceil(seconds / 30))}: ${formatSize(bytes)} to read and write${erase ? "" : ", and two boots"}`,
    ),
  ].join("\n");
}

/** @throws AppError `CONFIRMATION_MISSING` */
async function confirm({ json, input, sinks, signal }: NodeContext, { machine }: ResetPlan, text: string): Promise<void> {
  const missing = (message: string): AppError =>
    new AppError("CONFIRMATION_MISSING", message, {
      hint: "To go on without a question: --yes. To see what would be done: --dry-run.",
    });
  if (json || !input.isTTY) throw missing("this wipes the machine, and there is nobody to ask");
  sinks.err(`${text}\nThis cannot be taken back. Type ${machine.hostname} to go on: `);
  if ((await readAnswer(input, signal)) !== machine.hostname) throw missing("nothing was done");
}
