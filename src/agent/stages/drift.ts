/** Whether a machine is still as its config says, and making it so again. docs/concepts/stages.md */
import type { Compiled } from "../../config/machine/compile/compile-config.ts";
import type { StageStep } from "../../config/machine/compile/stage-plan.ts";
import type { TreeEntry } from "../../layout/compiled-config.ts";
import type { DriftReport } from "../../layout/drift-report.ts";
import { ACCOUNT_FILES, mergeAccounts, type AccountTexts } from "../../layout/merge-accounts.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { StagePorts } from "./ports.ts";
import { runStep } from "./run-step.ts";

const SYSCTL = "/etc/sysctl.d/90-petrify.conf";
const KERNEL_HOSTNAME = "/proc/sys/kernel/hostname";

export interface DriftPorts extends StagePorts {
  /** Of the kernel; nothing where there is no such parameter. */
  readonly parameter: (name: string) => Promise<string | undefined>;
  /** Called whenever there is more to tell. */
  readonly keepDrift: (report: DriftReport) => Promise<void>;
}

/**
 * What is found is reported before anything is mended. Whatever steps of stages write to is theirs, and left alone.
 *
 * @returns nothing where the config wants nobody to look
 */
export async function lookAtDrift(generation: number, config: Compiled, ports: DriftPorts): Promise<DriftReport | undefined> {
  const { drift: mode } = config.plan;
  if (mode === "off") return undefined;
  const found = await differences(config, ports);
  const report: DriftReport = { at: ports.now(), generation, mode, found };
  await ports.keepDrift(report);
  for (const one of found) {
    ports.log("info", `not as the config says: ${one}`, {
      kind: "config-drifted",
      config: { generation, mode, reason: shortLine(one), differences: found.length },
    });
  }
  if (mode === "report" || found.length === 0) return report;
  const why = await runStep("reconcile", asStep(config, ofSteps(config)), {}, ports);
  const left = await differences(config, ports);
  const mended: DriftReport = { ...report, left: [...(why === undefined ? [] : [why]), ...left] };
  await ports.keepDrift(mended);
  ports.log(mended.left!.length > 0 ? "error" : "info", `mended: ${found.length - left.length} of ${found.length}`, {
    kind: "config-mended",
    config: { generation, differences: left.length, ...(left.length > 0 ? { reason: shortLine(mended.left!.join("; ")) } : {}) },
  });
  return mended;
}

async function differences(config: Compiled, ports: DriftPorts): Promise<readonly string[]> {
  const { compiled } = config;
  const theirs = ofSteps(config);
  const found: string[] = [];
  for (const entry of compiled.entries) {
    if (theirs.has(entry.path)) continue;
    const why = await ports.difference(entry).catch((error: unknown) => `cannot be looked at: ${(error as Error).message}`);
    if (why !== undefined) found.push(`${entry.path} ${why}`);
  }
  const { hostname } = compiled;
  if (hostname !== undefined && (await ports.read(KERNEL_HOSTNAME))?.trim() !== hostname)
    found.push(`the host name is not ${hostname}`);
  found.push(...(await accountDifferences(config, ports)));
  for (const [name, value] of parametersOf(compiled.entries)) {
    const now = await ports.parameter(name);
    if (now !== undefined && words(now) !== words(value)) found.push(`sysctl ${name} is ${words(now)}`);
  }
  return found;
}

const words = (text: string): string => text.trim().split(/\s+/).join(" ");

/** Names alone: a line of shadow is a secret. */
async function accountDifferences({ compiled: { accounts } }: Compiled, ports: DriftPorts): Promise<string[]> {
  if (accounts.users.length + accounts.groups.length === 0) return [];
  const now = await ports.accounts();
  const { texts } = mergeAccounts(now, accounts, ports.remembered());
  const names = new Set<string>();
  for (const file of ACCOUNT_FILES) for (const name of changedNames(file, now, texts)) names.add(name);
  return [...names].toSorted();
}

function changedNames(file: (typeof ACCOUNT_FILES)[number], now: AccountTexts, wanted: AccountTexts): string[] {
  const before = new Set((now[file] ?? "").split("\n"));
  const kind = file === "group" || file === "gshadow" ? "group" : "user";
  return (wanted[file] ?? "")
    .split("\n")
    .flatMap((line) => (line === "" || before.has(line) ? [] : [`${kind} ${line.split(":")[0]}`]));
}

/** Lines `name = value`. */
function parametersOf(entries: readonly TreeEntry[]): (readonly [name: string, value: string])[] {
  const what = entries.find(({ path }) => path === SYSCTL)?.what;
  if (what?.is !== "file" || !("text" in what.content)) return [];
  return what.content.text.split("\n").flatMap((line) => {
    const [, name, value] = /^([^#\s=][^\s=]*) = (.*)$/.exec(line) ?? [];
    return name === undefined || /[*]/.test(name) ? [] : [[name.replace(/^-/, ""), value!] as const];
  });
}

/** Paths that steps write to: what they make of them is right. */
const ofSteps = ({ plan }: Compiled): ReadonlySet<string> =>
  new Set(
    Object.values(plan.stages)
      .flat()
      .flatMap(({ entries, lines, fetched }) => [...entries, ...lines, ...fetched].map(({ path }) => path)),
  );

/** All of a config, but for what is only there after a reboot; what is so already is left alone. */
const asStep = ({ compiled }: Compiled, theirs: ReadonlySet<string>): StageStep => ({
  ...{ name: "drift", own: true, conditions: { files: [], anyFile: [], noFiles: [] }, after: [], onError: "continue" },
  ...{ accounts: compiled.accounts, entries: compiled.entries.filter(({ path }) => !theirs.has(path)), lines: [], fetched: [] },
  ...(compiled.hostname !== undefined && { hostname: compiled.hostname }),
  sysctl: Object.fromEntries(parametersOf(compiled.entries)),
  ...{ modules: [], units: { start: [], stop: [], restart: [] }, environment: {}, commands: [] },
});
