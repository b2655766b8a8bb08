/** What is done once for each instance of a machine: disks and file systems before the stage `fs`, `runcmd` after the network. docs/formats/instance.md */
import type { StagePlan } from "../../config/machine/compile/stage-plan.ts";
import type { StageName } from "../../config/machine/stages.ts";
import type { OnceDone } from "../../layout/instance-record.ts";
import type { StepResult } from "../../layout/stage-results.ts";
import { reason } from "../config/lay-change.ts";
import { setUpDisk, setUpFileSystem } from "./disks.ts";
import type { StagePorts } from "./ports.ts";
import { commandProblem, runCommand } from "./run-commands.ts";

const MOUNT_LIMIT_MS = 120_000;

type Outcome = Pick<StepResult, "is" | "why">;
export interface OnceStep {
  readonly name: string;
  readonly run: () => Promise<Outcome>;
}

/** At the end of a stage. */
export function onceSteps(stage: StageName, { once, environment }: StagePlan, ports: StagePorts): readonly OnceStep[] {
  if (stage === "network.after" && once.commands.length > 0)
    return [{ name: "runcmd", run: async () => await commandsOnce(once.commands, environment, ports) }];
  if (stage !== "fs.before" || once.disks.length + once.fileSystems.length === 0) return [];
  let isMade = false;
  const made = (outcome: Outcome): Outcome => {
    isMade ||= outcome.is === "done" && outcome.why === undefined;
    return outcome;
  };
  const mounts: OnceStep = { name: "mounts", run: async () => (isMade ? await startMounts(once.mounts, ports) : NOTHING_MADE) };
  return [
    ...once.disks.map((disk): OnceStep => {
      const name = `disk_setup ${disk.device}`;
      return { name, run: async () => await thingOnce(name, async (how) => await setUpDisk(disk, how, ports), ports) };
    }),
    ...once.fileSystems.map((one): OnceStep => {
      const name = `fs_setup ${one.device}${one.partition === "auto" ? "" : ` ${one.partition}`}`;
      const make = async (): Promise<Outcome> =>
        await thingOnce(name, async (how) => await setUpFileSystem(one, how, ports), ports);
      return { name, run: async () => made(await make()) };
    }),
    ...(once.mounts.length > 0 && once.fileSystems.length > 0 ? [mounts] : []),
  ];
}

const NOTHING_MADE: Outcome = { is: "passed", why: "no file system was made" };

/** They were tried before their file systems were there. */
async function startMounts(mounts: readonly string[], { run }: StagePorts): Promise<Outcome> {
  try {
    await run(["systemctl", "start", ...mounts], { timeoutMs: MOUNT_LIMIT_MS, keepOutput: 4000 });
    return { is: "done" };
  } catch (error) {
    return { is: "failed", why: reason(error) };
  }
}

const AGAIN = "and is not done again for this instance";
const before = ({ problem }: OnceDone): Outcome =>
  problem === undefined
    ? { is: "passed", why: "it was done once for this instance" }
    : { is: "failed", why: `${problem}, ${AGAIN}` };

/** A device that is not there, or cannot be used, is tried at the next boot. */
async function thingOnce(
  name: string,
  act: (how: "first" | "again") => Promise<string | undefined>,
  { instance, now }: StagePorts,
): Promise<Outcome> {
  const known = instance.record().done[name];
  if (known && known.begun === undefined) return before(known);
  try {
    await instance.note(name, { at: now(), begun: true });
    const instead = await act(known ? "again" : "first");
    await instance.note(name, { at: now() });
    return instead === undefined ? { is: "done" } : { is: "done", why: instead };
  } catch (error) {
    return { is: "failed", why: (error as Error).message };
  }
}

/**
 * Each command is run at most once: one that restarts the machine must not do so for ever. One that was cut off is told; those after it are run at the next
 * boot.
 */
async function commandsOnce(
  commands: StagePlan["once"]["commands"],
  environment: Readonly<Record<string, string>>,
  ports: StagePorts,
): Promise<Outcome> {
  const { instance, now } = ports;
  const name = "runcmd";
  const of = ports.sha256(JSON.stringify(commands)).slice(0, 16);
  const known = instance.record().done[name];
  if (known && known.begun === undefined) return before(known);
  const goesOn = known?.of === of;
  let ended = goesOn ? (known.ended ?? 0) : 0;
  let problem = goesOn ? known.problem : undefined;
  const note = async (more: Partial<OnceDone>): Promise<void> =>
    await instance.note(name, { at: now(), ...(problem === undefined ? {} : { problem }), ...more });
  try {
    if (goesOn && known.running === true) {
      problem ??= commandProblem(ended, commands.length, "was cut off");
      ended++;
    }
    for (; ended < commands.length; ended++) {
      await note({ begun: true, ended, of, running: true });
      const options = { name, environment: { HOME: "/root", ...environment, PETRIFY_STAGE: "network.after" } };
      const why = await runCommand(commands[ended]!, options, ports);
      // Whoever stops the machine in good order, be it the command itself, cuts nothing off.
      if (ports.stopping.aborted) {
        await note({ begun: true, ended: ended + 1, of });
        return { is: "skipped", why: `the machine stops after ${ended + 1} of ${commands.length} commands` };
      }
      if (why !== undefined) problem ??= commandProblem(ended, commands.length, why);
    }
    await note({});
    return problem === undefined ? { is: "done" } : { is: "failed", why: problem };
  } catch (error) {
    return { is: "failed", why: (error as Error).message };
  }
}
