/**
 * The one loop that works on an operation: it asks {@link todo} for the work, does it, gives the result to {@link next}, and stores what comes of it before
 * anything follows from it.
 */
import { AppError } from "../../core/error.ts";
import type { AcceptedRelease, Failure, FinishedOperation, Operation, Outcome } from "../../layout/operation.ts";
import {
  activate,
  askNext,
  giveArgs,
  grantTries,
  markEmpty,
  settleFallback,
  switchRecovery,
  takeTries,
  type RecordChange,
  type RecordFacts,
} from "../../layout/record-change.ts";
import type { AgentState } from "../../layout/agent-state.ts";
import { targetName } from "../../layout/cmdline.ts";
import type { EventFacts } from "../../layout/events.ts";
import { NO_KERNEL_ARGS } from "../../layout/kernel-args.ts";
import { otherSlot, type BootTarget, type SlotName } from "../../layout/slots.ts";
import type { TrustedKeys } from "../../release/trusted-keys.ts";
import { endBoot } from "../boot-history.ts";
import { hasConfig, type World } from "../world.ts";
import { next, todo, type Job, type OperationEvent } from "./operation.ts";
import type { WriteProgress } from "./ports.ts";
import { describe, failureOf, finished } from "./summary.ts";
import { untilAborted } from "../../host/wait.ts";
import { shortLine } from "../../layout/short-line.ts";

/** How far an operation is. */
export interface OperationStatus {
  readonly id: string;
  readonly kind: Operation["kind"];
  readonly at: Operation["at"];
  /** One line: `upgrade to edge 1.2.0: writing slot b`. */
  readonly text: string;
  /** Of the step; absent where nothing can be said. */
  readonly percent?: number;
}
export type OperationNews =
  | { readonly now: OperationStatus }
  | { readonly ended: FinishedOperation }
  | { readonly restarting: string };

export interface Operations {
  readonly status: () => OperationStatus | undefined;
  /** @throws AppError `OPERATION_RUNNING` while another operation keeps one of that kind from starting */
  readonly assertFree: (kind: Operation["kind"]) => void;
  /** Makes an operation the one that is worked on. @throws AppError as {@link Operations.assertFree} */
  readonly start: (operation: Operation) => Promise<void>;
  /**
   * Restarts the machine; what is staged is tried then.
   *
   * @param into booted once in place of the active slot
   * @param why default: somebody asked for it
   * @throws AppError `OPERATION_RUNNING`, `RECORD_NOT_STORED`
   */
  readonly restart: (into: BootTarget | undefined, why?: string) => Promise<void>;
  /** Turns the machine off; what is staged is tried when it is on again. @throws AppError `OPERATION_RUNNING` */
  readonly powerOff: (why: string) => Promise<void>;
  /** @throws AppError `NO_OPERATION`, `OPERATION_PAST_CANCEL` */
  readonly cancel: () => Promise<FinishedOperation>;
  /** What becomes of the present operation, until it has ended or the machine restarts; nothing when there is none. */
  readonly follow: (signal: AbortSignal) => AsyncIterable<OperationNews>;
  /** First of all, and once: what became of the operation while no agent ran. */
  readonly begin: () => Promise<void>;
  /** Of the running slot. */
  readonly healthy: () => Promise<void>;
  /** Works until the signal is aborted. */
  readonly loop: (signal: AbortSignal) => Promise<void>;
}

const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 300_000;
/** What is stored of a write's progress is where it goes on. */
const STORE_EVERY = 32 * 1024 * 1024;

/** @param refusal why nothing may begin now, whatever it is */
export function openOperations(world: World, refusal: () => AppError | undefined = () => undefined): Operations {
  const { ports, running } = world;
  const listeners = new Set<(news: OperationNews) => void>();
  let percent: number | undefined;
  let wake = Promise.withResolvers<void>();
  let work = new AbortController();
  let isRestarting = false;

  const current = (): Operation | undefined => world.state.operation;
  const status = (): OperationStatus | undefined => {
    const operation = current();
    if (!operation) return undefined;
    const { id, kind, at } = operation;
    return { id, kind, at, text: describe(operation), ...(percent === undefined ? {} : { percent }) };
  };
  const tell = (news: OperationNews): void => {
    for (const listener of listeners) listener(news);
  };
  const tellNow = (): void => {
    const now = status();
    if (now) tell({ now });
  };
  const progressed = (done: number, total: number): void => {
    const value = Math.floor((100 * done) / Math.max(1, total));
    if (value === percent) return;
    percent = value;
    tellNow();
  };

  /** @returns what has ended */
  const end = async (operation: Operation, outcome: Outcome, failure: Partial<Failure> = {}): Promise<FinishedOperation> => {
    const told = failure.reason || (outcome === "fell back" ? failureOf(operation, world.state.boots) : undefined);
    const why = told ? { ...failure, reason: told } : {};
    const entry = finished(operation, { outcome, endedAt: Math.floor(ports.now()), ...why });
    // What was left is left for good, before anybody is told.
    if (operation.kind === "upgrade" && (outcome === "fell back" || outcome === "failed") && operation.target !== running) {
      await leave(operation.target);
    }
    await world.remember((old) => {
      const { operation: _, ...rest } = old;
      return { ...rest, operations: [...rest.operations, entry] };
    });
    percent = undefined;
    const { id, kind } = entry;
    const reason = entry.reason === undefined ? {} : { reason: entry.reason };
    await ports.audit.append({ is: "operation", operation: id, kind, outcome, ...reason });
    ports.log(
      outcome === "succeeded" || outcome === "cancelled" ? "info" : "alarm",
      `${describe(operation)}: ${outcome}${entry.reason === undefined ? "" : `: ${entry.reason}`}`,
      { kind: "operation-ended", operation: { ...factsOf(operation), outcome, ...reason } },
    );
    tell({ ended: entry });
    return entry;
  };

  /** A slot on trial that is not wanted any more; one that is empty is left as it is. */
  const leave = async (slot: SlotName): Promise<void> => {
    const { found } = world.record;
    if (found.is !== "whole" || found.record.slots[slot].state !== "trial") return;
    await world.changeRecord((facts) => takeTries(slot, facts));
    await world.changeRecord((facts) => settleFallback(running, facts));
  };

  const take = async (event: OperationEvent): Promise<void> => {
    const operation = current();
    if (!operation) return;
    const step = next(operation, event);
    if ("ends" in step) {
      const { ends, ...why } = step;
      return void (await end(operation, ends, why));
    }
    if (step.operation === operation) return;
    if (step.operation.at !== operation.at) {
      percent = undefined;
      ports.log("info", describe(step.operation), { kind: "operation-step", operation: factsOf(step.operation) });
    }
    await world.remember((old) => ({ ...old, operation: step.operation }));
    tellNow();
  };

  /** A change of the record that has to be there before anything else happens. @throws AppError `RECORD_NOT_STORED` */
  const changed = async (decide: (facts: RecordFacts) => RecordChange): Promise<void> => {
    await world.changeRecord(decide);
    const { record, tries, args } = decide(world.record);
    if (!record && !tries && !args && world.record.found.is === "whole") return;
    const why = world.alarms.get("RECORD_NOT_STORED") ?? "the boot record is not readable";
    throw new AppError("RECORD_NOT_STORED", why);
  };

  const perform = async (job: Job, signal: AbortSignal): Promise<OperationEvent | undefined> => {
    const { images } = ports;
    const progress = ({ done, total }: { readonly done: number; readonly total: number }): void => progressed(done, total);
    switch (job.do) {
      case "check": {
        const { damage } = await images.check(job.source, job.digest, progress, signal);
        return damage === undefined ? { is: "whole" } : { is: "damaged", damage };
      }
      case "write": {
        const { place, image } = job;
        if (place === "a" || place === "b") await empty(place);
        else await forgetScrub("recovery");
        let stored = job.from;
        let storing = Promise.resolve();
        const inAll = ({ downloaded }: Pick<WriteProgress, "downloaded">): Pick<WriteProgress, "downloaded"> =>
          downloaded ? { downloaded: { ...downloaded, bytes: job.downloaded + downloaded.bytes } } : {};
        const heard = (news: WriteProgress | { readonly way: string }): void => {
          // One that is being ended still speaks, and another operation may be there by then: how far it is, is not how far that one is.
          if (signal.aborted) return;
          if ("way" in news) {
            ports.log("info", `${image.name} ${image.version} comes by ${news.way}`);
            storing = take({ is: "way", way: shortLine(news.way) });
            return;
          }
          progressed(news.written, image.size);
          if (news.written < stored + STORE_EVERY) return;
          stored = news.written;
          storing = take({ is: "progress", written: news.written, ...inAll(news) });
        };
        const done = await images.write(job, heard, signal);
        await storing;
        return { is: "written", ...inAll(done) };
      }
      case "verify": {
        const { damage } = await images.verify(job.place, job.digest, progress, signal);
        return damage === undefined ? { is: "whole" } : { is: "damaged", damage };
      }
      case "flip": {
        const { slot, state, digest, release } = job;
        // A rollback goes back to the config that the slot had.
        if (state === "trial") await takeConfigAlong(slot, digest, signal);
        await accepted(release);
        if (release) {
          const kept = { digest, created: release.created };
          await world.remember((old) => ({ ...old, released: { ...old.released, [slot]: kept } }));
        }
        // What was copied up is recorded while the image runs that it was copied from.
        await ports
          .recordCopies(signal)
          .catch((error: unknown) => ports.log("info", `copies are not recorded: ${(error as Error).message}`));
        await changed((facts) => onlyIfDifferent(grantTries(slot, state, facts), facts));
        await changed((facts) => onlyIfDifferent(activate(slot, state, digest, facts), facts));
        // A rollback from a slot on trial: it has had its chance.
        if (state === "proven") await leave(otherSlot(slot));
        return { is: "done", bootId: ports.bootId };
      }
      case "undo":
        await empty(job.slot);
        return { is: "done", bootId: ports.bootId };
      case "switch-recovery":
        await accepted(job.release);
        await changed((facts) => switchRecovery(job.file, facts));
        return { is: "done", bootId: ports.bootId };
      case "restart":
        await restart(job.why);
        return undefined;
    }
  };

  const restart = async (why: string): Promise<void> => {
    isRestarting = true;
    tell({ restarting: why });
    await world.remember((old) => endBoot(old, { how: "stopped", reason: why }));
    await ports.init.restart(why);
  };

  /** Trust does not go back, whatever becomes of the image: from here on it may boot. @throws AppError as TrustStore.keep */
  const accepted = async (release: AcceptedRelease | undefined): Promise<void> => {
    if (release?.keys) await ports.trust.keep(release.keys as TrustedKeys);
  };

  const afterUpgrade = async (signal: AbortSignal): Promise<void> =>
    await ports.stages.start("after-upgrade", signal).catch((error: unknown) => {
      signal.throwIfAborted();
      ports.log("alarm", (error as Error).message);
    });
  /** Before the slot can boot. From recovery it boots with what it had, and makes it anew: nothing may keep a machine from being mended. */
  const takeConfigAlong = async (slot: SlotName, digest: string, signal: AbortSignal): Promise<void> => {
    if (running !== "a" && running !== "b") return;
    const { generation, kernelArgs = NO_KERNEL_ARGS } = hasConfig(world)
      ? await ports.machineConfig.work({ do: "take-along", slot, digest }, signal)
      : {};
    await changed((facts) => giveArgs(slot, kernelArgs, facts));
    if (generation !== undefined) ports.log("info", `slot ${slot} boots with machine config ${generation}`);
  };

  const empty = async (slot: SlotName): Promise<void> => {
    await changed((facts) => markEmpty(slot, facts));
    await forgetScrub(slot);
  };
  /** What was verified there is no longer there. */
  const forgetScrub = async (image: SlotName | "recovery"): Promise<void> =>
    await world.remember(({ verifying, ...old }) => {
      const { [image]: _, ...scrubs } = old.scrubs;
      return { ...old, scrubs, ...(verifying && verifying.slot !== image ? { verifying } : {}) };
    });

  const attempt = async (job: Job, signal: AbortSignal): Promise<OperationEvent | undefined> => {
    try {
      return await perform(job, signal);
    } catch (error) {
      signal.throwIfAborted();
      const { message } = error as Error;
      const { code, hint } = error instanceof AppError ? error : {};
      const final = code === undefined || !TRIED_AGAIN.has(code);
      ports.log("info", `${job.do}: ${shortLine(message)}`);
      return {
        is: "failed",
        reason: message,
        final,
        ...(code === undefined ? {} : { code }),
        ...(hint === undefined ? {} : { hint }),
      };
    }
  };

  const assertNotRefused = (): void => {
    const refused = refusal();
    if (refused) throw refused;
  };
  const assertMayStop = (): void => {
    assertNotRefused();
    const operation = current();
    if (isRestarting || (operation && operation.at !== "flipped" && operation.at !== "trial")) throw runningError(status());
  };
  const assertFree = (kind: Operation["kind"]): void => {
    assertNotRefused();
    const old = current();
    if (old?.at === "trial" && !isReplaceable(old, kind)) throw onTrialError(old.target);
    if (isRestarting || (old && !isReplaceable(old, kind))) throw runningError(status());
  };

  return {
    status,
    assertFree,
    start: async (operation) => {
      assertFree(operation.kind);
      const old = current();
      if (old)
        await end(
          old,
          old.at === "trial" ? "cancelled" : "replaced",
          old.at === "trial" ? { reason: "a rollback was asked for" } : {},
        );
      await world.remember((state) => ({ ...state, operation }));
      ports.log("info", `${describe(operation)}, ${operation.cause}`, {
        kind: "operation-began",
        operation: { ...factsOf(operation), reason: operation.cause },
      });
      tellNow();
      wake.resolve();
    },
    powerOff: async (why) => {
      assertMayStop();
      isRestarting = true;
      await world.remember((old) => endBoot(old, { how: "stopped", reason: why }));
      await ports.init.powerOff(why);
    },
    restart: async (into, why) => {
      assertMayStop();
      await changed((facts) => askNext(into, facts));
      if (into) await world.remember((old) => ({ ...old, asked: { into, during: ports.bootId } }));
      await restart(why ?? (into ? `restart into ${targetName(into)} was asked for` : "a restart was asked for"));
    },
    cancel: async () => {
      const operation = current();
      if (!operation) throw new AppError("NO_OPERATION", "there is nothing to cancel");
      if (
        operation.at === "trial" ||
        operation.at === "switching" ||
        isRestarting ||
        (operation.kind === "rollback" && operation.at !== "verifying")
      ) {
        throw new AppError("OPERATION_PAST_CANCEL", `${describe(operation)}: it is too late to cancel that`, {
          hint: "Use `petrify rollback` to go back.",
        });
      }
      const ended = Promise.withResolvers<FinishedOperation>();
      const listener = (news: OperationNews): void => {
        if ("ended" in news) ended.resolve(news.ended);
      };
      listeners.add(listener);
      try {
        work.abort(new Cancelled());
        await take({ is: "cancelled" });
        wake.resolve();
        return await ended.promise;
      } finally {
        listeners.delete(listener);
      }
    },
    follow: async function* (signal) {
      const queue: OperationNews[] = [];
      let more = Promise.withResolvers<void>();
      const listener = (news: OperationNews): void => {
        queue.push(news);
        more.resolve();
      };
      const stop = (): void => more.resolve();
      listeners.add(listener);
      signal.addEventListener("abort", stop);
      try {
        const now = status();
        if (!now) return;
        yield { now };
        for (;;) {
          const news = queue.shift();
          if (news) {
            yield news;
            if (!("now" in news)) return;
            // Staged, or waiting for its health: nothing more happens soon.
            const operation = current();
            if (operation?.at === "flipped" && !todo(operation, ports.bootId)) return;
            continue;
          }
          if (signal.aborted) return;
          await more.promise;
          more = Promise.withResolvers();
        }
      } finally {
        listeners.delete(listener);
        signal.removeEventListener("abort", stop);
      }
    },
    begin: async () => {
      await world.remember((old) => withReached(old, running, ports.bootId));
      await take({ is: "started", running, bootId: ports.bootId, record: world.record });
      // Whether it is remembered or not: what runs, and is proven, is what boots.
      await world.changeRecord((facts) => settleFallback(running, facts));
    },
    healthy: async () => await take({ is: "healthy" }),
    loop: async (signal) => {
      for (;;) {
        signal.throwIfAborted();
        const operation = current();
        const job = operation && !isRestarting ? todo(operation, ports.bootId) : undefined;
        if (!operation || !job) {
          wake = Promise.withResolvers();
          await untilAborted(wake.promise, signal);
          continue;
        }
        work = new AbortController();
        const both = AbortSignal.any([signal, work.signal]);
        try {
          const event = await attempt(job, both);
          // Cancelled meanwhile, it waits for other work: what this came to is no answer to that.
          const now = current();
          if (event && now?.id === operation.id && now.at === operation.at) await take(event);
          // What boots next is settled; the restart waits.
          if (event?.is === "done" && operation.kind !== "rollback" && SETTLING.has(job.do)) await afterUpgrade(both);
          const after = current();
          if (event?.is === "failed" && after && "failures" in after) {
            await ports.wait(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (after.failures - 1)), both);
          }
        } catch (error) {
          signal.throwIfAborted();
          if (!(work.signal.reason instanceof Cancelled)) throw error;
        }
      }
    },
  };
}

const factsOf = ({ id, kind, at, image }: Operation): EventFacts<"operation"> => ({
  ...{ id, kind, step: at },
  ...("version" in image ? { version: image.version } : {}),
});

/** A boot that was asked for is known by the id of the first one after it; any later one ends that. */
function withReached({ asked, ...rest }: AgentState, running: BootTarget | "ram", bootId: string): AgentState {
  if (!asked) return rest;
  if (asked.during === bootId || asked.reached === bootId) return { ...rest, asked };
  return asked.reached === undefined && asked.into === running ? { ...rest, asked: { ...asked, reached: bootId } } : rest;
}

class Cancelled extends Error {}

const SETTLING: ReadonlySet<Job["do"]> = new Set(["flip", "switch-recovery"]);

/** A line that is down comes back. */
const TRIED_AGAIN: ReadonlySet<string> = new Set([
  ...["SOURCE_UNREACHABLE", "REGISTRY_UNREACHABLE", "REGISTRY_RATE_LIMITED"],
  "CONFIG_BUSY", // it is looked at, or a boot still makes one
  "WORKER_ENDED", // memory that was short may not be a moment later
]);

/** Nobody waits for it any more: a later one may take its place. */
function isReplaceable({ kind, at }: Operation, by: Operation["kind"]): boolean {
  if (kind === "upgrade" && at === "trial") return by === "rollback";
  return kind === "upgrade" && at === "flipped" && by === "upgrade";
}

const onTrialError = (slot: SlotName): AppError =>
  new AppError(
    "TRIAL_RUNNING",
    `slot ${slot} is on trial: until it is healthy, the other slot is the only one that is known to work`,
    {
      hint: "Wait until `petrify status` says healthy, or go back with `petrify rollback`.",
    },
  );

function runningError(status: OperationStatus | undefined): AppError {
  if (!status) return new AppError("OPERATION_RUNNING", "the machine is about to restart", { hint: "Try again afterwards." });
  const far = status.percent === undefined ? "" : `, ${status.percent} %`;
  return new AppError("OPERATION_RUNNING", `another operation is under way: ${status.text}${far}`, {
    hint: "Wait for it with `petrify upgrade --follow`, or end it with `petrify upgrade --cancel`.",
  });
}

/** The change without what is so already. */
function onlyIfDifferent({ record, tries }: RecordChange, { found, tries: now }: RecordFacts): RecordChange {
  const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
  return {
    ...(record && !(found.is === "whole" && same(record, found.record)) ? { record } : {}),
    ...(tries && !same(tries, now) ? { tries } : {}),
  };
}
