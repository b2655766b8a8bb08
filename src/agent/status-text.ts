/** A machine's status for people. Pure. */
import { dateText } from "../core/date-text.ts";
import { formatSpan } from "../core/units.ts";
import type { BootEntry } from "../layout/agent-state.ts";
import { targetName } from "../layout/cmdline.ts";
import type { InstallStatus } from "../layout/install.ts";
import type { DriftReport } from "../layout/drift-report.ts";
import { stageProblems, type StageRun } from "../layout/stage-results.ts";
import type { AgentStatus, ConfigStatus, KernelArgsStatus, RecoveryStatus, SlotStatus, TrustStatus } from "./status.ts";

const WIDTH = 10;
const LOG_LINES = 8;
const MAX_BOOTS = 3;
const MAX_NOTES = 3;
const MAX_STEPS = 8;

export function statusText(status: AgentStatus): string {
  const {
    at: now,
    image,
    running,
    role,
    state,
    slots,
    next,
    health,
    alarms,
    failedBoots,
    boot,
    verifying,
    machine,
    operation,
    installation,
    recovery,
    fingerprint,
    reset,
    trust,
    config,
    stages,
    drift,
    updates,
  } = status;
  const row = (name: string, ...lines: readonly string[]): string[] =>
    lines.map((line, index) => `${(index === 0 ? name : "").padEnd(WIDTH)}${line}`.trimEnd());
  const runs = running === "a" || running === "b" ? `${targetName(running)} (${role}, ${state})` : targetName(running);
  const failing = health.checks.filter(({ ok }) => !ok).map(({ name, reason }) => `${name}: ${reason ?? "failed"}`);
  const more = failedBoots.length - MAX_BOOTS;
  return [
    ...row("machine", `${machine.hostname} ${machine.id}`),
    ...(fingerprint ? row("key", fingerprint) : []),
    ...row("image", `${image.name} ${image.version}`, ...(image.digest ? [`sha256:${image.digest}`] : [])),
    ...(trust ? row("trusts", ...trustLines(trust, now)) : []),
    ...(config ? row("config", ...configLines(config, now)) : []),
    ...(stages ? row("stages", ...stageLines(stages)) : []),
    ...(drift && drift.found.length > 0 ? row("drift", ...driftLines(drift, now)) : []),
    ...(updates?.why === undefined ? [] : row("updates", `${updates.because ?? updates.step}: ${updates.why}`)),
    ...row("running", `${runs}, for ${formatSpan(boot.uptime)}`),
    ...row("slots", slotLine("a", slots.a, now), slotLine("b", slots.b, now)),
    ...(next ? row("next", `${targetName(next)}, once`) : []),
    ...row("health", health.is, ...failing),
    ...(recovery ? row("recovery", ...recoveryLines(recovery, boot.uptime)) : []),
    ...(reset ? row("reset", reset.percent === undefined ? reset.text : `${reset.text}, ${reset.percent} %`) : []),
    ...(operation
      ? row("operation", operation.percent === undefined ? operation.text : `${operation.text}, ${operation.percent} %`)
      : []),
    ...(installation ? row("install", installLine(installation)) : []),
    ...(verifying ? row("verifying", `${verifying.what}, ${verifying.percent} %`) : []),
    ...row("alarms", ...(alarms.length > 0 ? alarms.map(({ message }) => message) : ["none"])),
    ...row(
      "failed",
      ...(failedBoots.length > 0 ? failedBoots.slice(0, MAX_BOOTS).flatMap((entry) => bootLines(entry, now)) : ["no boot"]),
    ),
    ...(failedBoots.length > MAX_BOOTS ? row("", `and ${more} more ${more === 1 ? "boot" : "boots"}: see --json`) : []),
  ].join("\n");
}

function installLine({ is, disk, text, percent }: InstallStatus): string {
  const how = is === "failed" ? `has failed: ${text}` : percent === undefined ? text : `${text}, ${percent} %`;
  return `to ${disk}: ${how}`;
}

/** A line for each slot, and what boots next. */
export function slotsText({ at, running, slots, next, operation }: AgentStatus): string {
  return [
    ...(["a", "b"] as const).map((name) => `${running === name ? "*" : " "} ${slotLine(name, slots[name], at)}`),
    `${running === "recovery" ? "*" : " "} recovery`,
    ...(next ? [`next boot: ${targetName(next)}, once`] : []),
    ...(operation ? [operation.text] : []),
  ].join("\n");
}

function slotLine(name: string, { role, state, tries, digest, scrub }: SlotStatus, now: number): string {
  const words = [
    `${name}  ${role.padEnd(7)}  ${state.padEnd(6)}`,
    tries === undefined ? "tries unreadable" : `${tries} tries`,
    ...(digest ? [digest.slice(0, 12)] : []),
    ...(scrub ? [scrub.damage ? `DAMAGED: ${scrub.damage}` : `verified ${formatSpan(now - scrub.at)} ago`] : []),
  ];
  return words.join("  ");
}

function trustLines({ epoch, keys }: TrustStatus, now: number): string[] {
  const words = ({ notBefore, revoked }: TrustStatus["keys"][number]): string => {
    if (revoked !== undefined) return " REVOKED";
    return notBefore !== undefined && notBefore > now ? ` from ${dateText(notBefore)} on` : "";
  };
  return keys.map((key, index) => `${key.id.slice(0, 12)}${words(key)}${index === 0 ? ` (epoch ${epoch})` : ""}`);
}

function configLines({ generation, trial, until, notes, kernelArgs, refused }: ConfigStatus, now: number): string[] {
  const count = `${notes.length} ${notes.length === 1 ? "note" : "notes"}`;
  const left = until === undefined ? "" : `, given back in ${formatSpan(Math.max(0, until - now))}`;
  const words = [...(trial ? [`on trial${left}`] : []), ...(notes.length > 0 ? [count] : [])];
  const what = generation === undefined ? "none" : `generation ${generation}`;
  return [
    words.length > 0 ? `${what} (${words.join(", ")})` : what,
    ...notes.slice(0, MAX_NOTES),
    ...(kernelArgs ? [kernelArgsLine(kernelArgs)] : []),
    ...(refused
      ? [`generation ${refused.generation} was given back ${formatSpan(now - refused.at)} ago: ${refused.reason}`]
      : []),
  ];
}

function kernelArgsLine({ append, remove, is, generation }: KernelArgsStatus): string {
  const words = [...append, ...remove.map((word) => `without ${word}`)].join(" ") || "none";
  const says = { kept: "", runs: " (on trial)", waits: ` (of generation ${generation}, tried by the next boot)` }[is];
  return `kernel arguments: ${words}${says}`;
}

/** What is another than the config says, or what of it could not be mended. */
function driftLines({ at, found, left }: DriftReport, now: number): string[] {
  const shown = left ?? found;
  const words =
    left === undefined ? `${found.length} not as the config says` : `${found.length} found, ${left.length} not mended`;
  const more = shown.length - MAX_STEPS;
  return [
    `${words}, ${formatSpan(now - at)} ago`,
    ...shown.slice(0, MAX_STEPS),
    ...(more > 0 ? [`and ${more} more: see --json`] : []),
  ];
}

/** Everything that is not as the config says, below what has run. */
function stageLines(runs: readonly StageRun[]): string[] {
  const names = runs.map(({ run, ended }) => (ended ? run : `${run} (runs)`)).join(", ");
  const problems = runs.flatMap(stageProblems);
  const count = `${problems.length} ${problems.length === 1 ? "problem" : "problems"}`;
  const more = problems.length - MAX_STEPS;
  return [
    problems.length > 0 ? `${names}: ${count}` : names,
    ...problems.slice(0, MAX_STEPS),
    ...(more > 0 ? [`and ${more} more: see --json`] : []),
  ];
}

function recoveryLines({ text, until, attempts, slots }: RecoveryStatus, uptime: number): string[] {
  return [
    until === undefined ? text : `${text}: in ${formatSpan(until - uptime)}`,
    ...(attempts > 0 ? [`attempts since a slot was last healthy: ${attempts}`] : []),
    ...(slots ? [`slot a: ${slots.a}`, `slot b: ${slots.b}`] : []),
  ];
}

function bootLines({ slot, version, at, end }: BootEntry, now: number): string[] {
  const what = `${targetName(slot)}${version ? ` (${version})` : ""}, ${formatSpan(now - at)} ago: ${end?.reason ?? ""}`;
  if (!end?.log) return [what];
  const lines = end.log.text.split("\n").slice(-LOG_LINES);
  return [
    what,
    ...(end.log.source === "none" ? lines : [`  from its ${end.log.source}:`, ...lines.map((line) => `  | ${line}`)]),
  ];
}
