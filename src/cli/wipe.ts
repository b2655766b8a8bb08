import { basename, join } from "node:path";
import { Option, type Command } from "commander";
import type { ResetNews } from "../agent/reset-loop.ts";
import { AGENT_SOCKET } from "../agent/status.ts";
import { AppError } from "../core/error.ts";
import { formatSize } from "../core/units.ts";
import { readAnswer } from "../host/ask.ts";
import { readText } from "../host/files.ts";
import { findTarget, targetFacts } from "../host/flash-target.ts";
import type { Run } from "../host/run.ts";
import { askLocally } from "../host/unix-http.ts";
import { WIPE_KINDS, wipeDisk, type WipeKind } from "../host/wipe-disk.ts";
import { petrifyDiskOn } from "../inspect/petrify-disk.ts";
import { commandLineWords } from "../layout/cmdline.ts";
import type { FlashPhase } from "../layout/flash-plan.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { describeTarget, refusalsOf, type FlashTarget } from "../layout/flash-target.ts";
import type { Cli, CliContext } from "./context.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";
import { rateMeter, rateText } from "./rate.ts";

interface WipeOptions {
  readonly erase: WipeKind;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}
/** What both programs have. */
interface WipeContext extends Pick<NodeContext, "run" | "cwd" | "output" | "json" | "sinks" | "signal" | "clock" | "input"> {
  /** Id of the install medium that this system was started from. */
  readonly medium?: string | undefined;
  /** Shows how far something is. */
  readonly step: (title: string, body: (note: (text: string) => void) => Promise<void>) => Promise<void>;
}

const EXAMPLES = `
Examples:
  petrify wipe /dev/sdb --dry-run
  petrify wipe /dev/sdb
  petrify wipe serial:S4EVNX0M --erase quick --yes --json`;
/** Between two documents of progress with --json. */
const TELL_MS = 1000;

const describeWipe = (program: Command): Command =>
  program
    .command("wipe")
    .summary("make a disk of this machine blank")
    .description(
      "Makes every byte of a disk zero and reads it back; with --erase quick only what says what is where (partition\n" +
        "tables, starts and ends of partitions), and the disk is told that it need not keep the rest. Refuses disks that\n" +
        "are in use; but a machine can wipe the one that it runs from: recovery does it, and powers the machine off.\n" +
        "Nothing boots from the disk from the first write on; after an interruption, repeat the command.",
    )
    .argument("<device>", "path, name in /dev/disk/by-id, serial:NUMBER or size:500G of the disk; or an existing file")
    .addOption(new Option("--erase <kind>", "how much").choices(WIPE_KINDS).default("full"))
    .option("-y, --yes", "do not ask")
    .option("--dry-run", "only say what would be wiped, and what speaks against it")
    .addHelpText("after", EXAMPLES);

/** `petrify wipe DEVICE` of a workstation. */
export function registerWipe(program: Command, cli: Cli): void {
  describeWipe(program).action(
    cli.action(async (context: CliContext, device: string, options: WipeOptions) => {
      const { terminal, progress } = context;
      const step: WipeContext["step"] = async (title, body) => await progress.step(title, body);
      await wipe({ ...context, input: terminal.input, step }, await findTarget(device, context), options);
    }),
  );
}

/** Programs that every image has for it. */
const PROGRAMS = "/usr/lib/petrify/runtime/bin";
const CARRIED: ReadonlySet<string> = new Set(["lsblk", "wipefs"]);

/** The same on a machine, for its other disks; and for all of them, where it runs from memory. */
export function registerNodeWipe(program: Command, cli: NodeCli): void {
  describeWipe(program).action(
    cli.action(async (context: NodeContext, device: string, options: WipeOptions) => {
      const { root, output } = context;
      const carried: Run = async ([name, ...args], given) =>
        await context.run([CARRIED.has(name) ? join(PROGRAMS, name) : name, ...args], given);
      const words = new Map(commandLineWords(await readText(join(root, "/proc/cmdline")).catch(() => "")));
      let shown = -1;
      const step: WipeContext["step"] = async (title, body) =>
        await body((text) => {
          const tenth = Math.floor(Number(/ (\d+) %/.exec(text)?.[1] ?? 0) / 10);
          if (tenth !== shown && !context.json) output.event({ type: "progress" }, `${title}: ${text}`);
          shown = tenth;
        });
      const wider = { ...context, run: carried, medium: words.get("petrify.medium"), step };
      const path = await findTarget(device, wider);
      if (path !== (await ownDisk(root))) return await wipe(wider, path, options);
      await wipeOwn(wider, path, options, askAgent);
    }),
  );
}

/** The disk that this machine runs from, if any. */
async function ownDisk(root: string): Promise<string | undefined> {
  const facts = await readText(join(root, RUN_FACTS_PATH)).catch(() => undefined);
  return facts === undefined ? undefined : parseRunFacts(facts).disk;
}

type Ask = (method: "POST", path: string, signal: AbortSignal) => AsyncIterable<unknown>;
const askAgent: Ask = (method, path, signal) => askLocally(AGENT_SOCKET, method, path, signal);

/**
 * Of the disk that the machine runs from: recovery does it, after a restart.
 *
 * @param ask what the agent answers
 */
export async function wipeOwn(
  context: WipeContext,
  path: string,
  { erase, yes = false, dryRun = false }: WipeOptions,
  ask: Ask,
): Promise<void> {
  const { output, run, medium, signal } = context;
  if (erase !== "full") {
    throw new AppError("WIPE_NOT_POSSIBLE", `this machine runs from ${path}: that can only be wiped fully`, {
      hint: "Leave out --erase quick. To begin anew instead: petrify reset.",
    });
  }
  const target = await targetFacts(path, run, medium);
  const what = `${describeTarget(target)}, which this machine runs from: recovery does it, and powers the machine off`;
  if (dryRun) return output.result({ target, erase, own: true, changed: false }, `would wipe ${what}`);
  if (!yes) await confirm(context, target, erase, "Nothing is left of this machine: recovery does it, and powers it off.");
  for await (const value of ask("POST", "/wipe", signal)) {
    const news = value as ResetNews;
    if ("restarting" in news) {
      const text = `The machine restarts into recovery, which makes every byte of ${path} zero and powers the machine off.`;
      return output.result({ target, erase, own: true, restarting: news.restarting, changed: true }, text);
    }
    output.event(Object.assign({ type: "progress" }, news.now), news.now.text);
  }
}

async function wipe(context: WipeContext, path: string, { erase, yes = false, dryRun = false }: WipeOptions): Promise<void> {
  const { output, run, medium } = context;
  const facts = await targetFacts(path, run, medium);
  const name = facts.found.length > 0 ? await petrifyDiskOn(facts.path) : undefined;
  const target: FlashTarget = name === undefined ? facts : { ...facts, found: [name, ...facts.found] };
  // That it holds data is no reason against it here.
  const refusals = refusalsOf(target, { needed: 0, wipe: true });
  if (dryRun) {
    const found = target.found.map((one) => `  lost: ${one}`);
    const against = refusals.map(({ message, hint }) => `not done: ${message}\n          ${hint}`);
    return output.result(
      { target, erase, refusals, changed: false },
      [`would wipe ${describeTarget(target)} (${erase})`, ...found, ...against].join("\n"),
    );
  }
  const [first] = refusals;
  if (first) throw new AppError(first.code, first.message, { hint: first.hint });
  if (!yes) await confirm(context, target, erase);
  const started = context.clock();
  const wiped = await carryOut(context, target, erase);
  const seconds = Math.round((context.clock() - started) / 100) / 10;
  const how =
    erase === "full"
      ? `every byte of ${formatSize(wiped.zeroed)} is zero`
      : `what says what is where is zero${wiped.discarded ? ", and the disk was told that it need not keep the rest" : "; the rest is as it was"}`;
  output.result(
    { target, erase, ...wiped, seconds, changed: true },
    `${target.path} is blank: ${how}, read back in ${seconds} s.`,
  );
}

async function carryOut(context: WipeContext, { path, kind, sectorSize }: FlashTarget, erase: WipeKind) {
  const { step, output, clock, signal, json } = context;
  const title = `wipe ${kind === "file" ? basename(path) : path}`;
  let wiped: Awaited<ReturnType<typeof wipeDisk>> | undefined;
  try {
    await step(title, async (note) => {
      let meter: { readonly phase: FlashPhase; readonly rate: ReturnType<typeof rateMeter> } | undefined;
      let told = -Infinity;
      wiped = await wipeDisk({
        ...{ path, isFile: kind === "file", sectorSize, kind: erase, signal },
        progress: (phase, done, total) => {
          if (meter?.phase !== phase) {
            meter = { phase, rate: rateMeter(clock) };
            told = -Infinity;
          }
          const rate = meter.rate(done, total);
          note(phase === "finishing" ? phase : `${phase} ${rateText(rate)}`);
          if (!json || (clock() - told < TELL_MS && done < total)) return;
          told = clock();
          output.event(Object.assign({ type: "progress" }, { step: title, phase, ...rate }));
        },
      });
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isBusy = code === "EBUSY";
    if (!isBusy) {
      const event = { type: "unfinished", path };
      output.event(event, `${path} is not blank, and of no use: repeat the command.`);
    }
    throw isBusy
      ? new AppError("DEVICE_BUSY", `${path} is in use`, { hint: "Unmount it, and stop what uses it.", cause: error })
      : error;
  }
  return wiped!;
}

/** @throws AppError `CONFIRMATION_MISSING` */
async function confirm(
  { json, input, sinks, signal }: WipeContext,
  target: FlashTarget,
  erase: WipeKind,
  ...more: readonly string[]
): Promise<void> {
  const missing = (message: string): AppError =>
    new AppError("CONFIRMATION_MISSING", message, {
      hint: "To go on without a question: --yes. To see what would be done: --dry-run.",
    });
  if (json || !input.isTTY) throw missing(`this wipes ${target.path}, and there is nobody to ask`);
  const name = basename(target.path);
  const lines = [`This wipes ${describeTarget(target)} (${erase}).`, ...target.found.map((one) => `  Lost: ${one}`), ...more];
  sinks.err(`${lines.join("\n")}\nType ${name} to go on: `);
  if ((await readAnswer(input, signal)) !== name) throw missing("nothing was done");
}
