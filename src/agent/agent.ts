/**
 * The agent of a machine: one world, a few loops that look at it and act. What they decide is decided by pure functions beside this file;
 * what they do to the machine goes through {@link AgentPorts}.
 */
import type { AgentState, BootEntry } from "../layout/agent-state.ts";
import type { DataPartition } from "../layout/fstab.ts";
import { targetName } from "../layout/cmdline.ts";
import { commitBoot, markBad, restoreTries, type RecordChange, type RecordFacts } from "../layout/record-change.ts";
import { SEED_BYTES } from "../layout/random-seed.ts";
import type { RunFacts } from "../layout/run-facts.ts";
import type { RecoveryFile } from "../layout/slots.ts";
import type { BootRecordStore } from "../host/boot-record.ts";
import type { HardwareWatchdog } from "../host/hardware-watchdog.ts";
import type { InitSystem } from "../host/init-system.ts";
import type { StateStore } from "../host/state-store.ts";
import type { Tries } from "../layout/tries.ts";
import { beginBoot, endBoot, failedBoots, markHealthy } from "./boot-history.ts";
import { degradations, type Degradation, type MountedData } from "./degraded.ts";
import { findLog, type LogSources } from "./failed-boot-log.ts";
import type { HealthPlan } from "../layout/health-plan.ts";
import type { CheckReport } from "./health/check.ts";
import { checkIntervalMs, judge, type HealthAction, type HealthEvent, type HealthSubject } from "./health/verdict.ts";
import { roleOf, slotStatus, stateOf, type AgentStatus, type Alarm } from "./status.ts";
import { consequenceOf, nextVerification, withScrub, type Verifiable, type Verification } from "./verification.ts";

/** What one verification comes to; `undefined` damage: the image is whole. */
export interface VerificationResult {
  readonly damage?: string;
}
export interface VerificationProgress {
  /** Data blocks that are known to be whole. */
  readonly blocks: number;
  /** Bytes, of the whole image. */
  readonly done: number;
  readonly total: number;
}

/** Everything that an agent sees of its machine, and can do to it. */
export interface AgentPorts {
  readonly pid: number;
  readonly facts: RunFacts;
  readonly machine: AgentStatus["machine"];
  /** Of the kernel. */
  readonly bootId: string;
  /** None where the boot came from no disk. */
  readonly record: BootRecordStore | undefined;
  readonly store: StateStore;
  readonly init: InitSystem;
  readonly logs: LogSources;
  /** CRC-32 of the last words that are there now. */
  readonly lastWordsId: () => Promise<string | undefined>;
  readonly plan: HealthPlan;
  /** Runs every check once. */
  readonly check: (state: AgentState, degraded: ReadonlySet<DataPartition>, signal: AbortSignal) => Promise<CheckReport>;
  readonly failedUnits: () => Promise<readonly string[]>;
  readonly mounted: (partition: DataPartition) => Promise<MountedData | undefined>;
  /** Verifies an image from the disk; progress at least every few seconds. @throws AppError when it cannot be looked at */
  readonly verify: (
    what: Verification,
    recovery: RecoveryFile,
    progress: (progress: VerificationProgress) => void,
    signal: AbortSignal,
  ) => Promise<VerificationResult>;
  /** Where nobody else looks after it. */
  readonly watchdog: HardwareWatchdog | undefined;
  /** Remembers what the copies in persistent folders were made from. */
  readonly recordCopies: (signal: AbortSignal) => Promise<void>;
  /** Makes the machine's own time less likely to be everybody's: 0 … 1. */
  readonly jitter: number;
  /** Seconds since 1970. */
  readonly now: () => number;
  /** Milliseconds since the kernel's start. */
  readonly uptime: () => number;
  readonly random: (bytes: number) => Uint8Array;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** A line in the journal; an alarm also shows on every console. */
  readonly log: (level: "info" | "alarm", line: string) => void;
}

export interface Agent {
  status(): AgentStatus;
  /** Verifies images now; yields progress, and each one's result. */
  scrub(images: readonly Verifiable[], signal: AbortSignal): AsyncIterable<ScrubEvent>;
  /** Works until the signal is aborted; then what the next boot needs is stored. */
  run(signal: AbortSignal): Promise<void>;
}
export interface ScrubEvent {
  readonly image: Verifiable;
  readonly percent?: number;
  readonly result?: VerificationResult;
}

const HOUSEKEEPING_MS = 60_000;
const CLOCK_MS = 3_600_000;
const COPIES_MS = 24 * 3_600_000;
const BEAT_MS = 20_000;
const VERIFY_CHECK_MS = 10_000;
const VERIFY_AGAIN_MS = 3_600_000;
/** The agent starts while the machine still does: what is asked at once has not been reached. */
const FIRST_CHECK_MS = 1_000;

/** Opens the world: what is stored, what this boot is, what the loader took. From here on the agent can answer. */
export async function openAgent(ports: AgentPorts): Promise<Agent> {
  const { facts, store, init, log } = ports;
  const running = facts.slot;
  const alarms = new Map<string, string>();
  const asked = new Set<Verifiable>();
  const startedAfter = Math.round(ports.uptime());
  let state = store.found;
  let record: RecordFacts = { found: { is: "unreadable", why: "there is no disk" }, tries: undefined };
  let health: ReturnType<typeof judge>["state"] | undefined;
  let report: CheckReport | undefined;
  let degraded: readonly Degradation[] = [];
  let verifying: AgentStatus["verifying"];
  let storing: Promise<void> = Promise.resolve();

  const raise = (code: string, message: string): void => {
    if (alarms.get(code) === message) return;
    alarms.set(code, message);
    log("alarm", message);
  };
  const clear = (code: string): void => {
    if (alarms.delete(code)) log("info", `no longer: ${code}`);
  };
  /** One after the other: the newest state is what is stored in the end. */
  const remember = async (change: (state: AgentState) => AgentState): Promise<void> => {
    state = change(state);
    const before = storing;
    storing = (async () => {
      await before;
      try {
        await store.store(state);
        clear("STATE_NOT_STORED");
      } catch (error) {
        raise("STATE_NOT_STORED", `what this machine remembers cannot be stored: ${(error as Error).message}`);
      }
    })();
    await storing;
  };
  const changeRecord = async (decide: (facts: RecordFacts) => RecordChange): Promise<void> => {
    if (!ports.record) return;
    const { tries } = decide(record);
    // Tries that are taken away are no boots that nobody saw, not even when the power goes in between.
    if (tries && state.tries) await remember((old) => ({ ...old, tries: fewest(old.tries ?? tries, tries) }));
    try {
      record = await ports.record.change(decide);
      clear("RECORD_NOT_STORED");
    } catch (error) {
      return raise("RECORD_NOT_STORED", `the boot record cannot be changed: ${(error as Error).message}`);
    }
    if (record.tries) await remember((old) => ({ ...old, tries: record.tries! }));
  };
  const lookAtPartitions = async (): Promise<void> => {
    if (running === "ram") return;
    const has = new Set((["oem", "persistent"] as const).filter((name) => facts.partitions[name]));
    const [oem, persistent] = await Promise.all([ports.mounted("oem"), ports.mounted("persistent")]);
    degraded = degradations(has, { oem, persistent });
    for (const name of ["oem", "persistent"] as const) {
      const found = degraded.find(({ partition }) => partition === name);
      if (found) raise(`PARTITION_${name.toUpperCase()}`, found.sentence);
      else clear(`PARTITION_${name.toUpperCase()}`);
    }
  };
  const unusable = (): ReadonlySet<DataPartition> =>
    new Set(
      degraded
        .filter(({ is }) => is === "missing" || is === "not mounted" || is === "read-only")
        .map(({ partition }) => partition),
    );

  await begin();
  return { status, scrub, run };

  async function begin(): Promise<void> {
    for (const [index, problem] of store.problems.entries()) raise(`STATE_${index}`, problem);
    for (const [index, note] of facts.notes.entries()) raise(`BOOT_${index}`, note);
    if (ports.record) {
      try {
        record = await ports.record.read();
      } catch (error) {
        raise("RECORD_UNREADABLE", `the boot record cannot be read: ${(error as Error).message}`);
      }
      if (record.found.is === "newer") raise("RECORD_NEWER", "the boot record was written by newer software: it is left alone");
      if (record.found.is === "unreadable") raise("RECORD_UNREADABLE", `the boot record is unreadable: ${record.found.why}`);
    }
    const start = {
      id: ports.bootId,
      slot: running,
      version: facts.image?.version ?? "",
      at: Math.floor(ports.now()),
      tries: record.tries,
    };
    state = beginBoot({ since: start.at, ...state }, start);
    // The history first: without it a restart could not be told from a boot that nobody saw.
    await remember((same) => same);
    await changeRecord((found) => restoreTries(running, found));
    await lookAtPartitions();
    const slotState = subjectOf(stateOf(running, record));
    const { lastHealthRestart } = state;
    await judged({
      type: "started",
      nowMs: ports.uptime(),
      slotState,
      plan: ports.plan,
      ...(lastHealthRestart === undefined ? {} : { lastHealthRestart }),
    });
  }

  async function run(signal: AbortSignal): Promise<void> {
    const loops = [healthLoop, deadlineLoop, housekeepingLoop, verificationLoop, findLogs, watchdogLoop, copiesLoop].map(
      async (loop) => await loop(signal),
    );
    try {
      await Promise.all(loops);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await finish();
    }
  }

  /** In good order, as far as this program can tell; an ending that is there already says more. */
  async function finish(): Promise<void> {
    await keepForNextBoot();
    await remember((old) => (old.boots.at(-1)?.end ? old : endBoot(old, { how: "stopped", reason: "it was stopped" })));
  }

  async function healthLoop(signal: AbortSignal): Promise<void> {
    await ports.wait(FIRST_CHECK_MS, signal);
    for (;;) {
      report = await ports.check(state, unusable(), signal);
      signal.throwIfAborted();
      await judged({ type: "report", nowMs: ports.uptime(), now: ports.now(), report });
      await ports.wait(checkIntervalMs(health!, ports.uptime()), signal);
    }
  }

  /** A check that hangs must not hold up the end of patience. */
  async function deadlineLoop(signal: AbortSignal): Promise<void> {
    await ports.wait(Math.max(0, health!.deadlineMs - ports.uptime()), signal);
    await judged({ type: "tick", nowMs: ports.uptime(), now: ports.now() });
  }

  async function judged(event: HealthEvent): Promise<void> {
    const verdict = judge(health, event);
    health = verdict.state;
    await act(verdict.action);
  }

  async function act(action: HealthAction): Promise<void> {
    switch (action.do) {
      case "none":
        break;
      case "mark-proven": {
        await changeRecord((found) => commitBoot(running, found));
        clear("RECORD_UNREADABLE");
        const failedUnits = await ports.failedUnits().catch(() => state.failedUnits);
        await remember((old) => ({ ...markHealthy(old), failedUnits }));
        log("info", `${targetName(running)} is healthy`);
        break;
      }
      case "alarm":
        raise("UNHEALTHY", `this machine is not healthy: ${action.reasons.join("; ")}`);
        break;
      case "clear-alarm":
        clear("UNHEALTHY");
        break;
      case "restart-trial":
      case "restart-proven":
        log("alarm", `${targetName(running)} is not healthy, and restarts: ${action.reason}`);
        await remember((old) => ({
          ...endBoot(old, { how: "unhealthy", reason: action.reason }),
          ...(action.do === "restart-proven" ? { lastHealthRestart: Math.floor(ports.now()) } : {}),
        }));
        await init.restart(action.reason);
        break;
    }
  }

  async function housekeepingLoop(signal: AbortSignal): Promise<void> {
    await keepForNextBoot();
    let nextClock = ports.uptime() + CLOCK_MS;
    for (;;) {
      await ports.wait(HOUSEKEEPING_MS, signal);
      await lookAtPartitions();
      if (ports.uptime() < nextClock) continue;
      nextClock += CLOCK_MS;
      await keepForNextBoot();
    }
  }

  /** What the next boot starts with: never a seed twice, never a time before this one. */
  async function keepForNextBoot(): Promise<void> {
    await ports.record
      ?.keepSeed(ports.random(SEED_BYTES))
      .catch((error: unknown) => log("info", `the seed cannot be stored: ${String(error)}`));
    await ports.record
      ?.keepClock(ports.now())
      .catch((error: unknown) => log("info", `the time cannot be stored: ${String(error)}`));
  }

  /** The initrd's 120 s are over soon. */
  async function watchdogLoop(signal: AbortSignal): Promise<void> {
    while (ports.watchdog) {
      await ports.watchdog.beat();
      await ports.wait(BEAT_MS, signal);
    }
  }

  /** Only while the image runs that they were made from, and only one that is kept. */
  async function copiesLoop(signal: AbortSignal): Promise<void> {
    if (running === "ram") return;
    for (;;) {
      const isKept = health?.wasHealthy === true && stateOf(running, record) === "proven";
      if (isKept)
        await ports
          .recordCopies(signal)
          .catch((error: unknown) => log("info", `copies are not recorded: ${(error as Error).message}`));
      await ports.wait(isKept ? COPIES_MS : VERIFY_CHECK_MS, signal);
    }
  }

  async function verificationLoop(signal: AbortSignal): Promise<void> {
    if (running === "ram") return;
    for (;;) {
      const todo = nextVerification({ state, record, running, now: ports.now(), asked, jitter: ports.jitter });
      if (!todo) {
        await ports.wait(VERIFY_CHECK_MS, signal);
        continue;
      }
      asked.delete(todo.image);
      await verify(todo, () => {}, signal).catch(async (error: unknown) => {
        signal.throwIfAborted();
        raise(`UNVERIFIED_${todo.image}`, `${nameOf(todo.image)} cannot be verified: ${(error as Error).message}`);
        await ports.wait(VERIFY_AGAIN_MS, signal);
      });
    }
  }

  async function verify(todo: Verification, tell: (event: ScrubEvent) => void, signal: AbortSignal): Promise<void> {
    const { image } = todo;
    log("info", `verifying ${nameOf(image)}${todo.from > 0 ? ` from block ${todo.from} on` : ""}`);
    const digest = todo.digest ?? "";
    const progress = ({ blocks, done, total }: VerificationProgress): void => {
      const percent = Math.floor((100 * done) / Math.max(1, total));
      verifying = { what: nameOf(image), percent };
      tell({ image, percent });
      void remember((old) => ({ ...old, verifying: { slot: image, digest, blocks } }));
    };
    try {
      const result = await ports.verify(todo, record.found.is === "whole" ? record.found.record.recovery : 1, progress, signal);
      await remember((old) => withScrub(old, image, { at: Math.floor(ports.now()), ...result }));
      tell({ image, result });
      if (result.damage === undefined) {
        clear(`DAMAGED_${image}`);
        log("info", `${nameOf(image)} is whole`);
      } else await giveUp(image, result.damage);
    } finally {
      verifying = undefined;
    }
  }

  async function giveUp(image: Verifiable, damage: string): Promise<void> {
    raise(`DAMAGED_${image}`, `the image in ${nameOf(image)} is damaged: ${damage}`);
    const consequence = consequenceOf(image, running, record);
    if (consequence.do === "alarm") return;
    await changeRecord((found) => markBad(consequence.slot, found));
    if (!consequence.restart) return;
    await remember((old) => endBoot(old, { how: "damaged", reason: damage }));
    await init.restart(`${nameOf(image)} is damaged`);
  }

  async function* scrub(images: readonly Verifiable[], signal: AbortSignal): AsyncIterable<ScrubEvent> {
    for (const image of images) {
      const todo = nextVerification({ state, record, running, now: ports.now(), asked: new Set([image]), jitter: ports.jitter });
      if (!todo || todo.image !== image) continue;
      yield* new ReadableStream<ScrubEvent>({
        start: async (events) => {
          await verify({ ...todo, from: 0 }, (event) => events.enqueue(event), signal);
          events.close();
        },
      });
    }
  }

  /** The logs of boots that failed, once; a boot without any has its slot verified. */
  async function findLogs(signal: AbortSignal): Promise<void> {
    const known = state.boots.flatMap(({ id }) => id ?? []);
    const wanted = failedBoots(state).filter(({ end }) => end && !end.log && end.how !== "damaged");
    for (const boot of wanted.slice(0, MAX_LOGS)) {
      signal.throwIfAborted();
      const found = await findLog(boot, known, ports.logs);
      const lastWords = await ports.lastWordsId();
      await remember((old) => ({
        ...old,
        boots: old.boots.map((entry) =>
          isSame(entry, boot) && entry.end ? { ...entry, end: { ...entry.end, log: found } } : entry,
        ),
        ...(lastWords === undefined ? {} : { lastWords }),
      }));
      if (found.source === "none" && boot.slot !== "ram" && boot.slot !== running) asked.add(boot.slot);
    }
  }

  function status(): AgentStatus {
    const digest =
      record.found.is === "whole" && (running === "a" || running === "b") ? record.found.record.slots[running].digest : undefined;
    return {
      at: Math.floor(ports.now()),
      machine: ports.machine,
      image: {
        name: facts.image?.name ?? "",
        version: facts.image?.version ?? "",
        ...(digest ? { digest } : {}),
        rootHash: facts.rootHash,
      },
      running,
      role: roleOf(running, record),
      state: stateOf(running, record),
      slots: { a: slotStatus("a", record, state.scrubs.a), b: slotStatus("b", record, state.scrubs.b) },
      ...(record.tries?.next ? { next: record.tries.next } : {}),
      health: healthStatus(),
      degraded,
      alarms: [...alarms].map(([code, message]): Alarm => ({ code, message })),
      failedBoots: failedBoots(state),
      boot: { id: ports.bootId, since: state.boots.at(-1)?.at ?? 0, uptime: Math.round(ports.uptime() / 1000) },
      ...(verifying ? { verifying } : {}),
      agent: { pid: ports.pid, startedAfter },
    };
  }

  function healthStatus(): AgentStatus["health"] {
    const checks = (report?.results ?? []).map(({ name, ok, reason }) => ({ name, ok, ...(reason ? { reason } : {}) }));
    const is = health?.restart || health?.alarm ? "unhealthy" : health?.wasHealthy ? "healthy" : "starting";
    return { is, checks, ...(is === "starting" && health ? { deadline: Math.round(health.deadlineMs / 1000) } : {}) };
  }
}

/** What health can mean for what runs. */
const subjectOf = (state: AgentStatus["state"]): HealthSubject => (state === "trial" || state === "proven" ? state : "other");

const fewest = (one: Tries, other: Tries): Tries => ({ ...other, a: Math.min(one.a, other.a), b: Math.min(one.b, other.b) });

const MAX_LOGS = 3;
const nameOf = (image: Verifiable): string => targetName(image);
const isSame = (one: BootEntry, other: BootEntry): boolean =>
  one.id === other.id && one.at === other.at && one.slot === other.slot;
