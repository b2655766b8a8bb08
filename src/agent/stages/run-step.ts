/** Carries out one step of a stage on the running system. docs/concepts/stages.md */
import type { Compiled } from "../../config/machine/compile/compile-config.ts";
import { planChanges } from "../../config/machine/compile/plan-changes.ts";
import type { StageStep } from "../../config/machine/compile/stage-plan.ts";
import { CommandError } from "../../host/run.ts";
import type { TreeEntry } from "../../layout/compiled-config.ts";
import { ACCOUNT_FILES, mergeAccounts, type MergedAccounts } from "../../layout/merge-accounts.ts";
import { layChange } from "../config/lay-change.ts";
import { addPartitions } from "./disks.ts";
import { withLines } from "./kept-lines.ts";
import type { StagePorts } from "./ports.ts";
import { runCommands } from "./run-commands.ts";

const UNIT_LIMIT_MS = 120_000;

/** @param environment of every command of the config @returns why it failed; what comes after that in the step is not done */
export async function runStep(
  stage: string,
  step: StageStep,
  environment: Readonly<Record<string, string>>,
  ports: StagePorts,
): Promise<string | undefined> {
  const { name, onError, layout, fetched, sysctl, modules, units, commands } = step;
  const parts: readonly (() => Promise<string | undefined>)[] = [
    async () => layout && (await addPartitions(layout, ports)),
    async () => await lay(step, ports),
    ...fetched.map((file) => async () => await ports.download(file)),
    ...Object.entries(sysctl).map(
      ([key, value]) =>
        async () =>
          await attempt(`sysctl ${key}`, ports.setParameter(key, value)),
    ),
    ...modules.map((module) => async () => await program(["modprobe", module], ports)),
    ...(["stop", "restart", "start"] as const).flatMap((verb) =>
      units[verb].map((unit) => async () => await control(verb, unit, ports)),
    ),
    async () => {
      const env = { HOME: "/root", ...environment, ...step.environment, PETRIFY_STAGE: stage, PETRIFY_STEP: name };
      return await runCommands(commands, { name, environment: env, onError }, ports);
    },
  ] as readonly (() => Promise<string | undefined>)[];
  try {
    for (const part of parts) {
      const why = await part();
      if (why !== undefined) return why;
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Accounts, files, and what follows from them: only what is not so yet. */
async function lay(step: StageStep, ports: StagePorts): Promise<string | undefined> {
  const accounts = await accountsOf(step, ports);
  const wanted = [...step.entries, ...(await lineEntries(step, ports))];
  const entries: TreeEntry[] = [];
  for (const entry of wanted) {
    // Names of owners may be new.
    const isSame = !accounts && (await ports.difference(entry)) === undefined;
    if (!isSame) entries.push(entry);
  }
  const { hostname } = step;
  const isNamed = hostname !== undefined && (await ports.read("/proc/sys/kernel/hostname"))?.trim() !== hostname;
  if (!accounts && entries.length === 0 && !isNamed) return undefined;
  const plan = planChanges(undefined, planned(entries, isNamed ? hostname : undefined, ports));
  const notes = [
    ...(accounts?.notes ?? []),
    ...(await layChange({ plan, accounts, entries, emptied: [], persistent: [] }, ports)),
  ];
  return notes.length > 0 ? notes.join("; ") : undefined;
}

/** As if all of it were new. */
const planned = (entries: readonly TreeEntry[], hostname: string | undefined, { init }: StagePorts): Compiled => ({
  compiled: {
    ...{ config: "", image: { name: "", version: "" }, accounts: { users: [], groups: [] }, persistent: [], stages: [] },
    ...(hostname !== undefined && { hostname }),
    entries,
  },
  init,
  kernelArgs: { append: [], remove: [] },
  plan: { stages: {}, once: { disks: [], fileSystems: [], mounts: [], commands: [] }, environment: {}, drift: "off" },
});

/** Nothing where everybody is there already. */
async function accountsOf({ accounts }: StageStep, ports: StagePorts): Promise<MergedAccounts | undefined> {
  if (accounts.users.length + accounts.groups.length === 0) return undefined;
  const now = await ports.accounts();
  const merged = mergeAccounts(now, accounts, ports.remembered());
  if (ACCOUNT_FILES.every((name) => merged.texts[name] === undefined || merged.texts[name] === now[name])) return undefined;
  // Files on disks carry the numbers.
  await ports.remember(merged.ids);
  return merged;
}

async function lineEntries({ lines }: StageStep, { read }: StagePorts): Promise<TreeEntry[]> {
  const entries: TreeEntry[] = [];
  for (const { path, when, owner, mode, lines: wanted } of lines) {
    const text = withLines((await read(path)) ?? "", wanted);
    entries.push({ path, when, owner, what: { is: "file", mode, content: { text } } });
  }
  return entries;
}

async function control(
  verb: "stop" | "restart" | "start",
  unit: string,
  { run, init, isBooting }: StagePorts,
): Promise<string | undefined> {
  // While the machine boots a unit may wait for the very stage.
  const waits = isBooting && verb !== "stop" ? ["--no-block"] : [];
  const argv: readonly [string, ...string[]] =
    init === "systemd" ? ["systemctl", ...waits, verb, unit] : ["rc-service", unit.replace(/\.service$/, ""), verb];
  return await program(argv, { run });
}

async function program(argv: readonly [string, ...string[]], { run }: Pick<StagePorts, "run">): Promise<string | undefined> {
  return await attempt(argv.join(" "), run(argv, { timeoutMs: UNIT_LIMIT_MS, keepOutput: 4000 }));
}

async function attempt(what: string, act: Promise<unknown>): Promise<string | undefined> {
  try {
    await act;
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandError)) return `${what}: ${(error as Error).message}`;
    const said = error.result?.stderr.trim().split("\n").at(-1);
    return `${what}: ${said ? said.slice(0, 300) : "failed"}`;
  }
}
