/** What `petrify wipe` of a workstation and of a machine have in common. */
import { basename } from "node:path";
import { Option, type Command } from "commander";
import { AppError } from "../core/error.ts";
import { formatSize } from "../core/units.ts";
import { targetFacts } from "../host/flash-target.ts";
import { WIPE_KINDS, wipeDisk, type WipeKind } from "../host/wipe-disk.ts";
import { describeTarget, refusalsOf, type FlashTarget } from "../layout/flash-target.ts";
import { confirmDisk } from "./confirm-disk.ts";
import type { NodeContext } from "./node-context.ts";
import { phaseProgress } from "./phase-progress.ts";

export interface WipeOptions {
  readonly erase: WipeKind;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}
/** What both programs have. */
export interface WipeContext extends Pick<
  NodeContext,
  "run" | "cwd" | "output" | "json" | "sinks" | "signal" | "clock" | "input"
> {
  /** Id of the install medium that this system was started from. */
  readonly medium?: string | undefined;
  /** What petrify knows of a disk that holds something. */
  readonly nameOf?: (path: string) => Promise<string | undefined>;
  /** Shows how far something is. */
  readonly step: (title: string, body: (note: (text: string) => void) => Promise<void>) => Promise<void>;
}

const EXAMPLES = `
Examples:
  petrify wipe /dev/sdb --dry-run
  petrify wipe /dev/sdb
  petrify wipe serial:S4EVNX0M --erase quick --yes --json`;
/** The command, without what it does. */
export const describeWipe = (program: Command): Command =>
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

/** Makes a disk blank that nothing runs from. @throws AppError the first reason against it, `CONFIRMATION_MISSING` */
export async function wipe(
  context: WipeContext,
  path: string,
  { erase, yes = false, dryRun = false }: WipeOptions,
): Promise<void> {
  const { output, run, medium, nameOf } = context;
  const facts = await targetFacts(path, run, medium);
  const name = facts.found.length > 0 ? await nameOf?.(facts.path) : undefined;
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
  if (!yes) await confirmDisk(context, target, wiping(target, erase));
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

/** What is said before the disk's name is asked for. */
export const wiping = (target: FlashTarget, erase: WipeKind): string => `This wipes ${describeTarget(target)} (${erase}).`;

async function carryOut(context: WipeContext, { path, kind, sectorSize }: FlashTarget, erase: WipeKind) {
  const { step, output, clock, signal, json } = context;
  const title = `wipe ${kind === "file" ? basename(path) : path}`;
  let wiped: Awaited<ReturnType<typeof wipeDisk>> | undefined;
  try {
    await step(title, async (note) => {
      const progressed = phaseProgress({ title, output, clock, json, note });
      wiped = await wipeDisk({
        ...{ path, isFile: kind === "file", sectorSize, kind: erase, signal },
        progress: progressed,
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
