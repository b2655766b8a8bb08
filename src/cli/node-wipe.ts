import { join } from "node:path";
import type { Command } from "commander";
import type { ResetNews } from "../agent/reset-loop.ts";
import { AGENT_SOCKET } from "../agent/status.ts";
import { AppError } from "../core/error.ts";
import { readText } from "../host/files.ts";
import { findTarget, targetFacts } from "../host/flash-target.ts";
import type { Run } from "../host/run.ts";
import { askLocally } from "../host/unix-http.ts";
import { commandLineWords } from "../layout/cmdline.ts";
import { describeTarget } from "../layout/flash-target.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { confirmDisk } from "./confirm-disk.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";
import { describeWipe, wipe, wiping, type WipeContext, type WipeOptions } from "./wipe-disk.ts";

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
  if (!yes) {
    await confirmDisk(
      context,
      target,
      `${wiping(target, erase)}\nNothing is left of this machine: recovery does it, and powers it off.`,
    );
  }
  for await (const value of ask("POST", "/wipe", signal)) {
    const news = value as ResetNews;
    if ("restarting" in news) {
      const text = `The machine restarts into recovery, which makes every byte of ${path} zero and powers the machine off.`;
      return output.result({ target, erase, own: true, restarting: news.restarting, changed: true }, text);
    }
    output.event(Object.assign({ type: "progress" }, news.now), news.now.text);
  }
}
