/** Brings a machine back to how it left the factory: ordered while a slot runs, done by recovery. docs/concepts/reset.md */
import { AppError } from "../core/error.ts";
import { hex } from "../core/digest.ts";
import {
  askNext,
  closeSlots,
  forgetArgs,
  grantBoth,
  openSlots,
  switchRecovery,
  type RecordChange,
  type RecordFacts,
} from "../layout/record-change.ts";
import type { BootRecord } from "../layout/record.ts";
import {
  isResetPending,
  type AfterReset,
  type FoundOrder,
  type ResetKeep,
  type ResetKind,
  type ResetOrder,
} from "../layout/reset-order.ts";
import { SLOTS, type BootTarget } from "../layout/slots.ts";
import { endBoot } from "./boot-history.ts";
import { assertFits, recoveryTarget } from "./operations/request.ts";
import { runningRecovery, situationOf } from "./operations/service.ts";
import {
  afterFailure,
  isClosed,
  resetEntry,
  resetPlan,
  resetSteps,
  resetStepText,
  type ResetPlan,
  type ResetStep,
} from "./reset.ts";
import type { World } from "./world.ts";

export interface ResetRequest {
  readonly keep: readonly ResetKeep[];
  readonly erase: boolean;
  readonly after: AfterReset;
}
/** How far it is. */
export interface ResetStatus {
  readonly id: string;
  /** One line. */
  readonly text: string;
  /** Of the step; absent where nothing can be said. */
  readonly percent?: number;
  /** Steps that have failed so far in this boot. */
  readonly failures: number;
}
export type ResetNews = { readonly now: Pick<ResetStatus, "text" | "percent"> } | { readonly restarting: string };

export interface Reset {
  /** Nothing unless one is under way. */
  readonly status: () => ResetStatus | undefined;
  /** Why nothing else may begin. */
  readonly refusal: () => AppError | undefined;
  /** Aborted before the end of the disk: whatever starts a program then reads from what is overwritten. */
  readonly alone: AbortSignal;
  /** First of all, and once: what became of an order while no agent ran. */
  readonly begin: () => Promise<void>;
  /** Until it is done, the machine restarts, or the signal is aborted. */
  readonly loop: (signal: AbortSignal) => Promise<void>;
  /** @throws AppError `RESET_NOT_POSSIBLE`, `RECORD_UNREADABLE`, `OPERATION_RUNNING`, those of looking at recovery's image */
  readonly plan: (request: ResetRequest, signal: AbortSignal) => Promise<ResetPlan>;
  /** Verifies recovery, orders the reset and restarts into recovery. @throws AppError as `plan`, and `RECOVERY_DAMAGED`: nothing has changed then */
  readonly reset: (request: ResetRequest, signal: AbortSignal) => AsyncIterable<ResetNews>;
  /** The same to leave nothing of the disk. */
  readonly wipe: (signal: AbortSignal) => AsyncIterable<ResetNews>;
}

/** Boots of a slot that find the order, before it is given up: recovery did not start. */
const MAX_ATTEMPTS = 3;
const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 300_000;
const OWN = { is: "recovery" } as const;

/** @param isBusy an operation has work to do */
export function openReset(world: World, isBusy: () => boolean): Reset {
  const { ports, running } = world;
  const { facts, images, slotStore, resetDisk: disk } = ports;
  let order: ResetOrder | undefined;
  let step: ResetStep | undefined;
  let percent: number | undefined;
  let failures = 0;
  let isLeaving = false;
  let isAfterReset = false;
  const alone = new AbortController();

  const say = (line: string): void => ports.log("alarm", `reset: ${line}`);
  const now = (): number => Math.floor(ports.now());
  /** Nothing of the data is mounted then, whatever this program makes of the order. */
  const isResetting = facts.resetting === true;
  const refusal = (): AppError | undefined =>
    isLeaving || isResetting
      ? new AppError("OPERATION_RUNNING", "this machine is being reset", { hint: "Wait for it: see `petrify status`." })
      : undefined;

  const give = async (next: ResetOrder | undefined): Promise<void> => {
    await disk.give(next);
    order = next;
  };
  /** @throws AppError `RECORD_NOT_STORED` */
  const changed = async (decide: (facts: RecordFacts) => RecordChange): Promise<void> => {
    await world.changeRecord(decide);
    const { record, tries, args } = decide(world.record);
    if (!record && !tries && !args && world.record.found.is === "whole") return;
    throw new AppError("RECORD_NOT_STORED", world.alarms.get("RECORD_NOT_STORED") ?? "the boot record is not readable");
  };
  /** @throws AppError `RECORD_NOT_STORED` */
  const restart = async (into: BootTarget | undefined, why: string): Promise<void> => {
    await changed((known) => askNext(into, known));
    isLeaving = true;
    await world.remember((old) => endBoot(old, { how: "stopped", reason: why }));
    await ports.init.restart(why);
  };

  const assertPossible = (): BootRecord => {
    if (running === "ram") {
      throw new AppError("RESET_NOT_POSSIBLE", "this machine runs from memory: it forgets everything at its next boot", {
        hint: "To erase a disk of it: `petrify wipe DEVICE`.",
      });
    }
    const refused = refusal();
    if (refused) throw refused;
    if (isBusy()) {
      throw new AppError("OPERATION_RUNNING", "another operation is under way", {
        hint: "Wait for it with `petrify upgrade --follow`, or end it with `petrify upgrade --cancel`.",
      });
    }
    const { found } = world.record;
    if (found.is === "whole") return found.record;
    throw new AppError("RECORD_UNREADABLE", "the boot record is not readable: nothing says which recovery image would do it", {
      hint: "The agent makes it anew once this boot is healthy: see `petrify status`.",
    });
  };

  /** The order is not there any more once the history has it. */
  const enterHistory = async (ended: ResetOrder): Promise<void> => {
    const { found } = world.record;
    const digest = found.is === "whole" && (running === "a" || running === "b") ? found.record.slots[running].digest : undefined;
    const image = {
      ...(facts.image ? { name: facts.image.name, version: facts.image.version } : {}),
      ...(digest ? { digest } : {}),
    };
    const entry = resetEntry(ended, image, now());
    await world.remember((old) =>
      old.operations.some(({ id }) => id === entry.id) ? old : { ...old, operations: [...old.operations, entry] },
    );
    say(entry.reason === undefined ? "done: this machine is as it left the factory" : `not done: ${entry.reason}`);
    if (!world.alarms.has("STATE_NOT_STORED")) await give(undefined);
  };

  /** A slot runs although recovery should: the power went, or recovery does not start. */
  const askAgain = async (found: ResetOrder): Promise<void> => {
    if (found.attempts >= MAX_ATTEMPTS) {
      const reason = `recovery was asked for ${MAX_ATTEMPTS} times, and did not do it: nothing was wiped`;
      return await enterHistory({ ...found, at: "ended", endedAt: now(), reason });
    }
    await give({ ...found, attempts: found.attempts + 1 });
    await restart("recovery", `the ${found.kind} that was ${found.cause} is done by recovery`);
  };

  const progress = ({ done, total }: { readonly done: number; readonly total: number }): void => {
    percent = Math.floor((100 * done) / Math.max(1, total));
  };
  const ownImage = async (signal: AbortSignal) => (await images.inspect(OWN, signal)).image;
  const ownDamage = async (signal: AbortSignal): Promise<string | undefined> => {
    try {
      return (await images.check(OWN, (await ownImage(signal)).digest, progress, signal)).damage;
    } catch (error) {
      if (error instanceof AppError && error.code === "IMAGE_INVALID") return error.message;
      throw error;
    }
  };

  const check = async (what: ResetOrder, signal: AbortSignal): Promise<void> => {
    const damage = await ownDamage(signal);
    if (damage !== undefined) {
      if (isClosed(world.record)) await useOtherRecovery(signal);
      throw new Error(`the image that recovery runs from is damaged: ${damage}`);
    }
    assertFits((await ownImage(signal)).size, await slotStore.capacity(), "a slot");
    if (what.keep.includes("config") || what.keep.includes("identity")) await disk.assertOem();
  };
  /** There are two files; once nothing else is left, the other one may do. */
  const useOtherRecovery = async (signal: AbortSignal): Promise<void> => {
    const other = recoveryTarget(situationOf(world));
    const { damage } = await ports.verify({ image: "recovery", from: 0, priority: "urgent" }, other, () => {}, signal);
    if (damage !== undefined) return;
    await changed((known) => switchRecovery(other, known));
    await restart(undefined, `reset: the image that runs is damaged, and recovery ${other} is whole`);
  };
  const prepareStore = async (signal: AbortSignal): Promise<void> => {
    const isLost = async (): Promise<boolean> => {
      const faults = await slotStore.look();
      return SLOTS.some((slot) => faults[slot] !== undefined);
    };
    if (!(await isLost())) return;
    say("the state partition is lost: making it anew");
    await slotStore.make(signal);
    if (await isLost()) throw new Error("the state partition is lost as before");
  };

  const perform = async (job: ResetStep, what: ResetOrder, signal: AbortSignal): Promise<void> => {
    switch (job.do) {
      case "check":
        return await check(what, signal);
      case "close-slots":
        return await changed((known) => closeSlots(runningRecovery(facts.file), known));
      case "erase":
        return await disk.erase(job.partition, (done, total) => progress({ done, total }), signal);
      case "wipe":
        return await disk.wipe(job.partition, signal);
      case "empty-oem":
        return await disk.emptyOem(job.keeps);
      case "forget-identity":
        return await disk.forgetIdentity();
      case "erase-rest":
        isLeaving = true; // and there is no way back
        alone.abort(new Error("the disk is being overwritten"));
        return await disk.eraseRest((done, total) => progress({ done, total }));
      case "forget-words":
        return await disk.forgetWords();
      case "prepare-store":
        return await prepareStore(signal);
      case "write": {
        const image = await ownImage(signal);
        const heard: Parameters<typeof images.write>[1] = (news) =>
          "written" in news && progress({ done: news.written, total: image.size });
        await images.write({ source: OWN, image, place: job.slot, from: 0 }, heard, signal);
        return;
      }
      case "verify": {
        const { damage } = await images.verify(job.slot, (await ownImage(signal)).digest, progress, signal);
        if (damage !== undefined) throw new Error(`what was written is not what is read back: ${damage}`);
        return;
      }
      case "note-written":
        return await give({ ...what, at: "written" });
      case "open-slots": {
        const { digest } = await ownImage(signal);
        if (!what.keep.includes("config")) await changed(forgetArgs);
        await changed(grantBoth);
        return await changed((known) => openSlots(digest, known));
      }
      case "end":
        return await give({ ...what, at: "ended", endedAt: now() });
      case "leave": {
        if (job.after === "reboot") return await restart(undefined, "the machine is reset");
        isLeaving = true;
        return await ports.init.powerOff("the machine is reset");
      }
    }
  };

  /** Nothing has changed: what was there goes on. */
  const giveUp = async (what: ResetOrder, reason: string): Promise<void> => {
    say(`not done, and nothing was changed: ${reason}`);
    await give({ ...what, at: "ended", endedAt: now(), reason });
    await restart(undefined, "the reset is not possible");
  };

  const carryOut = async (first: ResetOrder, signal: AbortSignal): Promise<void> => {
    const steps = resetSteps(first, world.record);
    for (let index = 0; index < steps.length;) {
      signal.throwIfAborted();
      step = steps[index]!;
      percent = undefined;
      say(resetStepText(step));
      try {
        await perform(step, order ?? first, signal);
        world.clear("RESET_FAILS");
        index++;
      } catch (error) {
        signal.throwIfAborted();
        if (isLeaving && step.do !== "erase-rest") return; // the other recovery does it
        const { message } = error as Error;
        if (step.do === "check" && !isClosed(world.record)) return await giveUp(order ?? first, message);
        failures++;
        world.raise("RESET_FAILS", `the reset does not go on: ${resetStepText(step)}: ${message}`);
        await ports.wait(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1)), signal);
        index = afterFailure(steps, index);
      }
    }
  };

  const work = async (signal: AbortSignal): Promise<void> => {
    if (!isResetting) return await askAgain(order!);
    const found: FoundOrder = order ? { is: "order", order } : await disk.order();
    // The initrd has seen one. A boot without data is of no use for anything else.
    if (found.is !== "order" || found.order.at === "ended") {
      isLeaving = true;
      return await ports.init.restart("there is nothing to reset");
    }
    ({ order } = found);
    await carryOut(order, signal);
  };

  async function* ask(kind: ResetKind, request: ResetRequest, signal: AbortSignal): AsyncGenerator<ResetNews> {
    const { recovery } = assertPossible();
    const place = `recovery${recovery}` as const;
    const { image } = await images.inspectPlace(place, signal);
    yield { now: { text: `verifying recovery, ${image.name} ${image.version}` } };
    const { damage } = await images.verify(place, image.digest, () => {}, signal);
    if (damage !== undefined) {
      throw new AppError("RECOVERY_DAMAGED", `recovery, which would do it, is damaged: ${damage}`, {
        hint: "Bring a new one first: `petrify upgrade --recovery IMAGE`.",
      });
    }
    if (kind === "reset") await ports.stages.start("before-reset", signal);
    assertPossible(); // that took a while
    isLeaving = true;
    const why = `a ${kind} was asked for, which recovery does`;
    const slot = running === "ram" ? "recovery" : running;
    try {
      await give({
        ...{ id: hex(ports.random(4)), kind, at: "ordered", cause: "asked for by root", askedAt: now(), attempts: 0 },
        ...{ keep: request.keep, erase: request.erase, after: request.after },
        from: { slot, version: facts.image?.version ?? "" },
      });
      try {
        yield { restarting: why };
      } finally {
        await restart("recovery", why); // also when nobody listens any more
      }
    } catch (error) {
      isLeaving = false;
      await give(undefined);
      throw error;
    }
  }

  return {
    status: () => {
      if (!order || !(isResetting || isLeaving)) return undefined;
      const text = step ? resetStepText(step) : "waiting for recovery";
      return { id: order.id, text, ...(percent === undefined ? {} : { percent }), failures };
    },
    refusal,
    alone: alone.signal,
    begin: async () => {
      const found = await disk.order().catch((error: unknown): FoundOrder => {
        ports.log("info", `the order to reset cannot be read: ${(error as Error).message}`);
        return { is: "none" };
      });
      if (found.is === "newer") world.raise("RESET_NEWER", "newer software has ordered something of recovery: it is left alone");
      order = found.is === "order" ? found.order : undefined;
      if (!order) return;
      const isOver = order.at === "ended" || (order.at === "written" && running !== "recovery");
      if (isOver && running !== "recovery") {
        isAfterReset = order.kind === "reset" && order.reason === undefined;
        await enterHistory({ ...order, at: "ended" }).catch((error: unknown) =>
          ports.log("info", `the order to reset stays: ${(error as Error).message}`),
        );
      }
    },
    loop: async (signal) => {
      if (isAfterReset)
        await ports.stages.start("after-reset", signal).catch((error: unknown) => {
          signal.throwIfAborted();
          say((error as Error).message);
        });
      if (!isResetting && !(order && isResetPending({ is: "order", order }))) return;
      for (;;) {
        signal.throwIfAborted();
        try {
          return await work(signal);
        } catch (error) {
          signal.throwIfAborted();
          world.raise("RESET_FAILS", `the reset does not go on: ${(error as Error).message}`);
          await ports.wait(LONGEST_RETRY_MS, signal);
        }
      }
    },
    plan: async (request, signal) => {
      const { recovery } = assertPossible();
      const { image } = await images.inspectPlace(`recovery${recovery}`, signal);
      const [oem, persistent] = await Promise.all([ports.mounted("oem"), ports.mounted("persistent")]);
      const usedOf = (found: typeof oem) => found && { used: found.size - found.free, size: found.size };
      return resetPlan(request, { machine: ports.machine, image, used: { oem: usedOf(oem), persistent: usedOf(persistent) } });
    },
    reset: (request, signal) => ask("reset", request, signal),
    wipe: (signal) => ask("wipe", { keep: [], erase: true, after: "poweroff" }, signal),
  };
}
