/** The machine that `petrify test` works on, as its own agent sees it. */
import type { HistoryEntry, UpgradePlan } from "../../agent/operations/service.ts";
import type { OperationNews } from "../../agent/operations/driver.ts";
import type { AgentStatus } from "../../agent/status.ts";
import { AppError } from "../../core/error.ts";
import { wait } from "../../host/wait.ts";
import type { ChannelReady } from "../../layout/agent-channel.ts";
import { targetName } from "../../layout/cmdline.ts";
import { FULL_TRIES, otherSlot, type SlotName } from "../../layout/slots.ts";
import type { VmAgent } from "../../vm/agent-client.ts";
import type { CaseName } from "./cases.ts";

export interface Subject {
  readonly agent: VmAgent;
  /** As a power cut does. */
  readonly reset: () => Promise<void>;
  /** Paths at which the machine may see the image: its second disk. */
  readonly paths: readonly string[];
  readonly image: { readonly name: string; readonly version: string; /** SHA-256 of its manifest. */ readonly digest: string };
  /** The image is what the machine has already. */
  readonly isSame: boolean;
  /** What is going on now. */
  readonly note: (text: string) => void;
}

const ASK_EVERY_MS = 500;

/** One case. @returns what it has shown @throws AppError why it failed */
export async function runCase(name: CaseName, subject: Subject, signal: AbortSignal): Promise<string> {
  switch (name) {
    case "boot":
      return await boot(subject, signal);
    case "upgrade":
      return await upgrade(subject, signal);
    case "rollback":
      return await rollback(subject, signal);
    case "fallback":
      return await fallback(subject, signal);
  }
}

async function boot(subject: Subject, signal: AbortSignal): Promise<string> {
  await bootedInto(subject, "a", signal);
  const status = await healthy(subject, "a", signal);
  return `${status.image.name} ${status.image.version} in slot a is healthy after ${status.boot.uptime} s`;
}

async function upgrade(subject: Subject, signal: AbortSignal): Promise<string> {
  const { image, note } = subject;
  const { target } = await beginUpgrade(subject, signal);
  await bootedInto(subject, target, signal);
  const { boot: now, image: running } = await healthy(subject, target, signal);
  if (running.digest !== image.digest) throw wrong(`slot ${target} has ${running.name} ${running.version}, another image`);
  note("its history");
  await lastOperation(subject, "upgrade", "succeeded", signal);
  return `${image.name} ${image.version} in slot ${target} is healthy after ${now.uptime} s, and proven`;
}

async function rollback(subject: Subject, signal: AbortSignal): Promise<string> {
  const { running } = await statusOf(subject, signal);
  const target = otherSlot(slotOf(running));
  await follow(subject, subject.agent.ask("POST /rollback", signal, { restart: true }));
  await bootedInto(subject, target, signal);
  const { image } = await healthy(subject, target, signal);
  await lastOperation(subject, "rollback", "succeeded", signal);
  return `${image.name} ${image.version} in slot ${target} runs again, and is healthy`;
}

/** An upgrade that never becomes healthy: the power goes at each of its boots, as soon as its agent has started. */
async function fallback(subject: Subject, signal: AbortSignal): Promise<string> {
  const { agent, note, reset } = subject;
  const { target } = await beginUpgrade(subject, signal);
  const before = otherSlot(target);
  let resets = 0;
  for (;;) {
    const { running, state } = await agent.booted(signal);
    if (running !== target) {
      if (running !== before) throw wrong(`${targetName(running)} was booted, and not slot ${before}`);
      break;
    }
    if (state !== "trial") throw wrong(`slot ${target} was ${state} after ${resets} boots of which none was healthy`);
    resets++;
    note(`slot ${target} on trial: boot ${resets} is cut off`);
    await reset();
  }
  if (resets !== FULL_TRIES.trial) {
    throw wrong(`slot ${target} was left after ${resets} boots, and it has ${FULL_TRIES.trial} tries`);
  }
  const { slots } = await healthy(subject, before, signal);
  if (slots[target].state === "proven") throw wrong(`slot ${target} counts as proven, and it never was healthy`);
  const { reason } = await lastOperation(subject, "upgrade", "fell back", signal);
  if (!reason) throw wrong("the history does not say why it fell back");
  return `slot ${before} runs again after ${resets} failed boots of slot ${target}: ${reason}`;
}

/** Has the image written to the other slot, and the machine restarted. */
async function beginUpgrade(subject: Subject, signal: AbortSignal): Promise<{ readonly target: SlotName }> {
  const { agent, isSame, note } = subject;
  note("the image is looked at");
  const { path, plan } = await planOf(subject, signal);
  const body = { source: { is: "file", path }, force: isSame, restart: true };
  await follow(subject, agent.ask("POST /upgrade", signal, body));
  return { target: slotOf(plan.target.replace("slot ", "")) };
}

/** The first path at which the image is; what the last one has to say when there is none. */
async function planOf(
  { agent, image, paths, isSame }: Subject,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly plan: UpgradePlan }> {
  let refused: unknown;
  for (const path of paths) {
    try {
      const plan = (await only(
        agent.ask("POST /upgrade/plan", signal, { source: { is: "file", path }, force: isSame }),
      )) as UpgradePlan;
      if (plan.image.image.digest === image.digest) return { path, plan };
    } catch (error) {
      signal.throwIfAborted();
      // What is at the other paths may be anything.
      if (!refused || !(error instanceof AppError) || !UNREADABLE.has(error.code)) refused = error;
    }
  }
  throw refused ?? wrong(`the machine does not see the image on its second disk (${paths.join(", ")})`);
}
const UNREADABLE: ReadonlySet<string> = new Set(["IMAGE_UNREADABLE", "IMAGE_INVALID"]);

/** Until the machine restarts. @throws AppError `OPERATION_FAILED` when it ends before that */
async function follow({ note }: Subject, news: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const value of news) {
      const event = value as OperationNews;
      if ("restarting" in event) return note(`restarts: ${event.restarting}`);
      if ("ended" in event) {
        const { outcome, reason } = event.ended;
        throw new AppError("OPERATION_FAILED", `it ${outcome}${reason ? `: ${reason}` : ""}`);
      }
      const { text, percent } = event.now;
      note(percent === undefined ? text : `${text}, ${percent} %`);
    }
  } catch (error) {
    // It may be down before it has said so.
    if (!(error instanceof AppError && error.code === "AGENT_GONE")) throw error;
  }
}

/** Waits for the next boot. @throws AppError `FELL_BACK` when it is not of this slot */
async function bootedInto(subject: Subject, slot: SlotName, signal: AbortSignal): Promise<void> {
  subject.note(`slot ${slot} boots, until its agent answers`);
  const { running } = await subject.agent.booted(signal);
  if (running === slot) return;
  throw await fellBack(subject, `${targetName(running)} was booted, and not slot ${slot}`, signal);
}

/**
 * Waits until the running slot has passed its health checks, is proven, and nothing is under way.
 *
 * @throws AppError `FELL_BACK` when the machine restarts before that
 */
async function healthy(subject: Subject, slot: SlotName, signal: AbortSignal): Promise<AgentStatus> {
  const { agent, note } = subject;
  const watch = new AbortController();
  const either = AbortSignal.any([signal, watch.signal]);
  const restarted = agent.booted(either).catch(() => undefined);
  try {
    for (;;) {
      const status = await Promise.race([restarted, statusOf(subject, either)]).catch((error: unknown) => {
        if (!(error instanceof AppError && error.code === "AGENT_GONE")) throw error;
        return undefined; // another session, or another boot
      });
      signal.throwIfAborted();
      if (status && isReady(status)) throw await fellBack(subject, "it restarted before it was healthy", signal);
      if (status) {
        const { health, state, operation } = status;
        if (health.is === "healthy" && state === "proven" && !operation) return status;
        const failing = health.checks.flatMap(({ ok, name, reason }) => (ok ? [] : `${name}: ${reason}`)).join("; ");
        // A slot on trial restarts the machine, and its next boot tells more.
        if (health.is === "unhealthy" && state !== "trial")
          throw new AppError("NOT_HEALTHY", `slot ${slot} is not healthy: ${failing}`);
        note(`slot ${slot}: ${failing || operation?.text || health.is}`);
      }
      await wait(ASK_EVERY_MS, signal);
    }
  } finally {
    watch.abort();
  }
}

const isReady = (value: AgentStatus | ChannelReady): value is ChannelReady => typeof value.boot === "string";

/** The newest entry of the history, which has to be this. */
async function lastOperation(
  { agent }: Subject,
  kind: HistoryEntry["kind"],
  outcome: HistoryEntry["outcome"],
  signal: AbortSignal,
): Promise<HistoryEntry> {
  const { operations } = (await only(agent.ask("GET /history", signal))) as { readonly operations: readonly HistoryEntry[] };
  const [last] = operations;
  if (last?.kind === kind && last.outcome === outcome) return last;
  const found = last ? `${last.kind}, ${last.outcome}${last.reason ? `: ${last.reason}` : ""}` : "nothing";
  throw wrong(`its history should end with: ${kind}, ${outcome}; it ends with: ${found}`);
}

async function fellBack(subject: Subject, what: string, signal: AbortSignal): Promise<AppError> {
  const { failedBoots } = await statusOf(subject, signal);
  const reason = failedBoots[0]?.end?.reason;
  return new AppError("FELL_BACK", reason ? `${what}: ${reason}` : what);
}

export const statusOf = async ({ agent }: Pick<Subject, "agent">, signal: AbortSignal): Promise<AgentStatus> =>
  (await only(agent.ask("GET /status", signal))) as AgentStatus;

async function only(values: AsyncIterable<unknown>): Promise<unknown> {
  let last: unknown;
  for await (const value of values) last = value;
  return last;
}

function slotOf(name: string): SlotName {
  if (name === "a" || name === "b") return name;
  throw wrong(`${name} runs, and no slot`);
}
const wrong = (what: string): AppError => new AppError("NOT_AS_EXPECTED", what);
