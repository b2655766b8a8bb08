/** Leads a machine out of recovery, and tells every console how. What is done when: recovery.ts */
import { AppError } from "../core/error.ts";
import { hex } from "../core/digest.ts";
import type { AgentState, RecoveryAttempts } from "../layout/agent-state.ts";
import { giveBack, markBothEmpty, renewRecord, switchRecovery } from "../layout/record-change.ts";
import { otherSlot, SLOTS, type SlotName } from "../layout/slots.ts";
import type { Operations } from "./operations/driver.ts";
import { todo } from "./operations/operation.ts";
import { assertFits, recoveryTarget, upgradeOf } from "./operations/request.ts";
import { runningRecovery, situationOf } from "./operations/service.ts";
import { findingText, forgetAttempts, nextStep, stepText, type Finding, type Findings, type RecoveryStep } from "./recovery.ts";
import type { Scrubber } from "./scrubber.ts";
import type { StoreFaults } from "./slot-store.ts";
import type { RecoveryStatus } from "./status.ts";
import type { World } from "./world.ts";

export interface Recovery {
  /** Nothing where recovery does not run. */
  readonly status: () => RecoveryStatus | undefined;
  /** Until it rests, restarts the machine, or the signal is aborted. */
  readonly loop: (signal: AbortSignal) => Promise<void>;
}

/** What somebody has begun meanwhile is noticed after so long. */
const LOOK_MS = 10_000;
const OWN = { is: "recovery" } as const;

export function openRecovery(
  world: World,
  operations: Pick<Operations, "start" | "restart" | "follow">,
  scrub: Scrubber["scrub"],
): Recovery {
  const { ports, running, raise, clear, remember } = world;
  let step: RecoveryStep | undefined;
  let findings: Findings | undefined;
  /** Also those of the last attempt. */
  let shown: Findings | undefined;
  let remade: string | undefined;
  let since = 0;
  let isCounted = false;
  let said = "";

  const say = (line: string): void => {
    if (line !== said) ports.log("alarm", `recovery: ${line}`);
    said = line;
  };
  const busy = (): boolean => {
    const { operation } = world.state;
    return operation !== undefined && todo(operation, ports.bootId) !== undefined;
  };
  const decide = (): RecoveryStep => {
    const { asked, recovery } = world.state;
    return nextStep({
      asked: asked?.into === "recovery" && asked.reached === ports.bootId,
      ...{
        found: world.record.found,
        busy: busy(),
        attempts: recovery ?? { count: 0 },
        since,
        uptime: ports.uptime(),
        findings,
        remade,
      },
      afterSeconds: ports.recoveryPlan.afterSeconds,
    });
  };

  /** Stored before anything follows from it: the next wait is longer. Once an attempt, however many steps it has. */
  const count = async (): Promise<void> => {
    if (isCounted) return;
    isCounted = true;
    await remember((old) => ({ ...old, recovery: { ...old.recovery, count: (old.recovery?.count ?? 0) + 1 } }));
  };
  /** The slot has had its turn; stored only once that is so, so a cut before takes none away. */
  const hadItsTurn = async (slot: SlotName): Promise<void> =>
    await remember((old) => ({ ...old, recovery: { count: 1, ...old.recovery, slot } }));
  /** The next wait begins. */
  const anew = (): void => {
    findings = undefined;
    since = ports.uptime();
    isCounted = false;
  };

  /** What the record calls empty may not even have a place on the disk. */
  const lookAtStore = async (): Promise<{ readonly faults: StoreFaults; readonly unknown?: string }> => {
    try {
      return { faults: await ports.slotStore.look() };
    } catch (error) {
      return { faults: {}, unknown: (error as Error).message };
    }
  };
  /** @returns nothing when somebody needs the disk more */
  const look = async (
    slot: SlotName,
    { faults: { [slot]: fault }, unknown }: Awaited<ReturnType<typeof lookAtStore>>,
    signal: AbortSignal,
  ): Promise<Finding | undefined> => {
    const finding = await lookAtImage(slot, signal);
    if (!finding || finding.is === "whole") return finding;
    if (fault !== undefined) return { is: "lost", why: fault };
    return finding.is === "empty" && unknown !== undefined ? { is: "unknown", why: unknown } : finding;
  };
  const lookAtImage = async (slot: SlotName, signal: AbortSignal): Promise<Finding | undefined> => {
    if (busy()) return undefined;
    const { found } = world.record;
    if (found.is === "whole" && found.record.slots[slot].state === "empty") return { is: "empty" };
    const stop = new AbortController();
    try {
      let finding: Finding = { is: "unknown", why: "it has changed meanwhile" };
      for await (const { result } of scrub([slot], AbortSignal.any([signal, stop.signal]))) {
        if (busy()) stop.abort();
        if (result) finding = result.damage === undefined ? { is: "whole" } : { is: "damaged", why: result.damage };
      }
      return finding;
    } catch (error) {
      signal.throwIfAborted();
      return stop.signal.aborted ? undefined : { is: "unknown", why: (error as Error).message };
    }
  };
  const verify = async (signal: AbortSignal): Promise<void> => {
    if (busy()) return;
    const store = await lookAtStore();
    const a = await look("a", store, signal);
    const b = a && (await look("b", store, signal));
    if (!a || !b) return;
    findings = shown = { a, b };
    say(SLOTS.map((slot) => `slot ${slot}: ${findingText(shown![slot])}`).join("; "));
  };

  /** @returns whether the machine restarts */
  const boot = async (slot: SlotName): Promise<boolean> => {
    // Not once somebody has begun to write there.
    await world.changeRecord((facts) => (busy() ? {} : giveBack(slot, facts)));
    const missing = giveBack(slot, world.record);
    if (missing.record || missing.tries) throw new Error(world.alarms.get("RECORD_NOT_STORED") ?? "something else has begun");
    await hadItsTurn(slot);
    await operations.restart(undefined, `recovery: slot ${slot} is whole, and has its tries again`);
    return true;
  };

  /** Its steps, for the consoles. */
  const follow = async (signal: AbortSignal): Promise<void> => {
    const { operation } = world.state;
    const isOwn = operation?.kind === "upgrade" && operation.source.is === "recovery";
    let at: string | undefined;
    for await (const news of operations.follow(signal)) {
      if (!("now" in news) || news.now.at === at || !isOwn) continue;
      at = news.now.at;
      say(news.now.text);
    }
  };

  /** @returns whether the machine restarts */
  const reInstall = async (
    target: SlotName,
    cause: string,
    before: RecoveryAttempts | undefined,
    signal: AbortSignal,
  ): Promise<boolean> => {
    if (!(await isOwnWhole(signal))) return await useOtherRecovery(before, signal);
    const found = await ports.images.inspect(OWN, signal);
    const capacity = await ports.images.capacity(target);
    const situation = { ...situationOf(world), spared: otherSlot(target) };
    const asked = { id: hex(ports.random(4)), cause, now: Math.floor(ports.now()) };
    await operations.start(upgradeOf(situation, found, capacity, { restart: true, force: true }, asked));
    await hadItsTurn(target);
    await follow(signal);
    return false; // the operation restarts it
  };
  const isOwnWhole = async (signal: AbortSignal): Promise<boolean> => {
    const damage = await damageOfOwn(signal);
    if (damage === undefined) clear("RECOVERY_DAMAGED");
    else raise("RECOVERY_DAMAGED", `the image that recovery runs from is damaged: ${damage}`);
    return damage === undefined;
  };
  const damageOfOwn = async (signal: AbortSignal): Promise<string | undefined> => {
    try {
      const { image } = await ports.images.inspect(OWN, signal);
      return (await ports.images.check(OWN, image.digest, () => {}, signal)).damage;
    } catch (error) {
      if (error instanceof AppError && error.code === "IMAGE_INVALID") return error.message;
      throw error;
    }
  };
  /**
   * The record says first that nothing is there, so whatever comes of it boots recovery. What has to be done after it is found by looking again.
   *
   * @returns whether the machine restarts
   */
  const remake = async (why: string, before: RecoveryAttempts | undefined, signal: AbortSignal): Promise<boolean> => {
    findings = undefined; // they are about what is gone then
    if (!(await isOwnWhole(signal))) {
      const restarts = await useOtherRecovery(before, signal);
      if (!restarts) anew();
      return restarts;
    }
    const { image } = await ports.images.inspect(OWN, signal);
    assertFits(image.size, await ports.slotStore.capacity(), "a slot of a state partition made anew");
    await world.changeRecord((facts) => (busy() ? {} : markBothEmpty(facts)));
    const missing = markBothEmpty(world.record);
    if (missing.record || missing.tries) throw new Error(world.alarms.get("RECORD_NOT_STORED") ?? "something else has begun");
    await remember(forgetSlots);
    for (const slot of SLOTS) clear(`DAMAGED_${slot}`);
    await ports.slotStore.make(signal);
    remade = why;
    await verify(signal);
    const still = SLOTS.map((slot) => findings?.[slot]).find((finding) => finding?.is === "lost");
    if (still?.is === "lost") throw new Error(`the state partition is lost as before: ${still.why}`);
    return false;
  };
  /** There are two files; nothing else is left to install from. */
  const useOtherRecovery = async (before: RecoveryAttempts | undefined, signal: AbortSignal): Promise<boolean> => {
    const other = recoveryTarget(situationOf(world));
    const { damage } = await ports.verify({ image: "recovery", from: 0, priority: "urgent" }, other, () => {}, signal);
    if (damage !== undefined) {
      say(`there is nothing to install from: the image in recovery ${other} is damaged too. Bring one with \`petrify upgrade\``);
      return false;
    }
    await world.changeRecord((facts) => switchRecovery(other, facts));
    await remember((old) => ({ ...forgetAttempts(old), ...(before ? { recovery: before } : {}) })); // a step forward, not an attempt
    await operations.restart(undefined, `recovery: the image that runs is damaged, and recovery ${other} is whole`);
    return true;
  };

  /** @returns whether that was all */
  const perform = async (now: RecoveryStep, signal: AbortSignal): Promise<boolean> => {
    switch (now.do) {
      case "rest":
        return true;
      case "stand-by":
        await follow(signal);
        anew();
        return false;
      case "wait":
        await ports.wait(Math.min(now.untilMs - ports.uptime(), LOOK_MS), signal);
        return false;
      case "verify":
        await verify(signal);
        return false;
      case "renew-record":
        await world.changeRecord((facts) => renewRecord(now.whole, runningRecovery(ports.facts.file), facts));
        if (world.record.found.is === "unreadable") throw new Error("the boot record cannot be made anew");
        world.clear("RECORD_UNREADABLE");
        return false;
      case "give-back":
        await count();
        return await boot(now.slot);
      case "remake-store": {
        const before = world.state.recovery;
        await count();
        return await remake(now.why, before, signal);
      }
      case "re-install": {
        const before = world.state.recovery;
        await count();
        const restarts = await reInstall(now.target, now.cause, before, signal);
        if (!restarts) anew();
        return restarts;
      }
      case "give-up":
        await count();
        anew();
        return false;
    }
  };

  return {
    status: () => {
      if (!step) return undefined;
      return {
        ...{ is: step.do, text: stepText(step), attempts: world.state.recovery?.count ?? 0 },
        ...(step.do === "wait" ? { until: Math.round(step.untilMs / 1000) } : {}),
        ...(shown ? { slots: { a: findingText(shown.a), b: findingText(shown.b) } } : {}),
      };
    },
    loop: async (signal) => {
      if (running !== "recovery") return;
      for (;;) {
        signal.throwIfAborted();
        step = decide();
        if (step.do !== "stand-by") say(stepText(step)); // the operation says what it does
        if (step.do !== "rest" || world.record.found.is === "newer")
          raise("IN_RECOVERY", "this machine runs recovery: no slot boots");
        try {
          if (await perform(step, signal)) return;
        } catch (error) {
          signal.throwIfAborted();
          say(`that came to nothing: ${(error as Error).message}`);
          await count();
          anew();
        }
      }
    },
  };
}

/** What was verified in the slots is no longer there. */
function forgetSlots(state: AgentState): AgentState {
  const { verifying, scrubs, ...rest } = state;
  return {
    ...rest,
    scrubs: scrubs.recovery ? { recovery: scrubs.recovery } : {},
    ...(verifying?.slot === "recovery" ? { verifying } : {}),
  };
}
