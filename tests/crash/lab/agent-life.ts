/** The real agent on the real disk, from its start to its stop; what it asks of anything but the disk is answered here. */
import { randomBytes, randomUUID } from "node:crypto";
import { dirname } from "node:path";
import { openAgent, type Agent } from "../../../src/agent/agent.ts";
import { noAuditLog } from "../../../src/agent/audit-log.ts";
import { DATA_FOLDERS } from "../../../src/agent/degraded.ts";
import { imageWork } from "../../../src/agent/image-work.ts";
import type { OperationNews } from "../../../src/agent/operations/driver.ts";
import type { AgentPorts } from "../../../src/agent/ports.ts";
import { openUpdatesStore } from "../../../src/host/updates-store.ts";
import { resetDisk } from "../../../src/agent/reset-disk.ts";
import { slotStore } from "../../../src/agent/slot-store.ts";
import { openTrustStore } from "../../../src/agent/trust-store.ts";

import { bootRecordOn, type BootRecordStore } from "../../../src/host/boot-record.ts";
import { mountedAt } from "../../../src/host/file-system.ts";
import { fakeInitSystem } from "../../../src/host/init-system.ts";
import { keepReserve } from "../../../src/host/reserve.ts";
import { run } from "../../../src/host/run.ts";
import { sha256 } from "../../../src/host/sha256.ts";
import { forgetfulStore, openStateStore, type StateStore } from "../../../src/host/state-store.ts";
import { DEFAULT_RECOVERY_PLAN } from "../../../src/layout/recovery-plan.ts";
import { DEFAULT_HEALTH_PLAN } from "../../../src/layout/health-plan.ts";
import { faultyRecord, faultyReset, faultyTrust, withFaults, withoutFlush } from "./faults.ts";
import type { Lab } from "./lab.ts";

export const STATE_FOLDER = "/oem/petrify/agent";

export interface Life {
  /** Seconds since 1970. */
  readonly clock: number;
  /** Whether the checks pass; when they have, it is stopped, else as soon as it has begun. */
  readonly healthy: boolean;
  /** Ends when the agent restarts the machine. */
  readonly restarts?: true;
  /** What somebody asks for then. */
  readonly ask?: (agent: Agent, signal: AbortSignal) => AsyncIterable<OperationNews>;
}

export async function agentLife(lab: Lab, { clock, healthy, restarts, ask }: Life): Promise<void> {
  const stop = new AbortController();
  const started = performance.now();
  const record = markedRecord(lab);
  const programs = dirname(process.execPath);
  const time = (): number => clock;
  const init = fakeInitSystem();
  const ports: AgentPorts = {
    facts: lab.facts,
    pid: process.pid,
    machine: { id: "00", hostname: "lab" },
    bootId: randomUUID(),
    record,
    store: lab.facts.resetting ? forgetfulStore : markedStore(lab, await openStateStore(STATE_FOLDER)),
    audit: noAuditLog,
    waitsForOwner: false,
    trust: faultyTrust(lab, await openTrustStore({ folder: lab.facts.resetting ? undefined : STATE_FOLDER }, sha256)),
    init,
    logs: { journal: async () => undefined, pstore: async () => undefined, lastWords: async () => undefined },
    lastWordsId: async () => undefined,
    certificateEnds: async () => undefined,
    stages: { runs: () => [], drift: () => undefined, start: async () => await Promise.resolve() },
    machineConfig: {
      now: () => ({ plan: DEFAULT_HEALTH_PLAN, notes: [] }),
      read: async () => {},
      work: async () => await Promise.reject(new Error("the lab has no machine config")),
    },
    recoveryPlan: DEFAULT_RECOVERY_PLAN,
    check: async () => await Promise.resolve({ at: 0, ok: healthy, results: [{ name: "lab", ok: healthy, ms: 1 }] }),
    failedUnits: async () => [],
    mounted: async (partition) => await mountedAt(DATA_FOLDERS[partition], "ext4"),
    ...withFaults(lab, imageWork({ run, program: IMAGE_WORKER, facts: lab.facts, proxies: {}, kept: undefined })),
    installSources: {
      cmdline: async () => "",
      brought: async () => undefined,
      volumes: async () => [],
      devices: async () => [],
      fetch: neverInstalled,
    },
    sha256,
    install: { disks: async () => [], plan: neverInstalled, install: neverInstalled },
    fingerprint: async () => "SHA256:lab",
    slotStore: slotStore({ run, programs, facts: lab.facts, now: time }),
    updates: {
      store: async () => await openUpdatesStore(undefined),
      locks: {
        read: async () => await Promise.resolve({ locks: [], problems: [] }),
        set: async () => {},
        remove: async () => await Promise.resolve(false),
      },
      isMetered: async () => await Promise.resolve(false),
      post: async () => await Promise.reject(new Error("there is no network")),
    },
    resetDisk: faultyReset(lab, resetDisk({ run, programs, facts: lab.facts, record, now: time })),
    watchdog: undefined,
    keepReserve: async () => await keepReserve("/"),
    recordCopies: async () => {},
    jitter: 0,
    random: randomBytes,
    now: time,
    clockIsSet: async () => await Promise.resolve({ isSet: true, why: "NTP keeps it" }),
    uptime: () => 3000 + performance.now() - started,
    wait: async (ms, signal) => await pause(Math.min(ms, 60_000), signal),
    log: (_, line) => {
      process.stdout.write(`agent: ${line}\n`);
      if (line.startsWith("reset: ")) void lab.step(line.slice("reset: ".length));
      const way = / comes by (.*)$/.exec(line)?.[1];
      if (way !== undefined) void lab.mark(`way ${way}`);
    },
  };
  const agent = await openAgent(ports);
  const ended = agent.run(stop.signal);
  // It says so before that is stored: what has begun has to end before the machine does.
  const isDone = (): boolean => {
    const { health, state } = agent.status();
    if (restarts) return init.restarts.length > 0;
    return !healthy || (health.is === "healthy" && state === "proven");
  };
  while (!isDone()) await pause(50, stop.signal);
  let step = "";
  for await (const news of ask?.(agent, stop.signal) ?? []) {
    const present = "now" in news ? stepOf(news.now.text) : step;
    if (present !== step) await lab.step((step = present));
    if ("ended" in news) await lab.mark(`ended ${news.ended.outcome}`);
  }
  stop.abort(new Error("stopped"));
  await ended;
}

/** Of `upgrade to edge 2.0: writing slot b, a delta from the running image: 0.27 MB of 331 MB`. */
const stepOf = (text: string): string => text.replace(/^.*?: /, "").replace(/,.*$/, "");
const neverInstalled = async (): Promise<never> => await Promise.reject(new Error("the lab does not run from memory"));
const IMAGE_WORKER = [process.execPath, "--disable-warning=ExperimentalWarning", "/usr/lib/petrify/image.mjs"] as const;

/** Says what the record is whenever a change of it has returned. */
export function markedRecord(lab: Lab): BootRecordStore {
  const record = faultyRecord(lab, bootRecordOn({ record: lab.device("record"), efi: lab.device("efi") }));
  return {
    ...record,
    change: async (decide) => {
      await lab.mark("begin record");
      const facts = await record.change(decide);
      await lab.mark(`done record ${JSON.stringify(facts)}`);
      return facts;
    },
    keepClock: async (seconds) => {
      await lab.mark(`begin clock ${Math.floor(seconds)}`);
      await record.keepClock(seconds);
      await lab.mark(`done clock ${Math.floor(seconds)}`);
    },
    keepSeed: async (seed) => {
      const digits = Buffer.from(seed).toString("hex");
      await lab.mark(`begin seed ${digits}`);
      await record.keepSeed(seed);
      await lab.mark(`done seed ${digits}`);
    },
  };
}

const markedStore = (lab: Lab, store: StateStore): StateStore => ({
  ...store,
  store: async (state) => {
    await lab.mark("begin state");
    if (lab.without.has("state-flush")) await withoutFlush(async () => await store.store(state));
    else await store.store(state);
    await lab.mark("done state");
  },
});

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
