/**
 * The agent of a machine. It opens its world, and works in a few loops that look at it and act; what they decide is decided by pure functions,
 * and what they do to the machine goes through {@link AgentPorts}.
 */
import type { BootEntry } from "../layout/agent-state.ts";
import { targetName } from "../layout/cmdline.ts";
import { fullTries, restoreTries } from "../layout/record-change.ts";
import { otherSlot } from "../layout/slots.ts";
import { beginBoot, endBoot, failedBoots } from "./boot-history.ts";
import { openConfigService, type ConfigService } from "./config/service.ts";
import { openAutomatic, type Automatic } from "./install/automatic.ts";
import { openInstaller, type Installer } from "./install/installer.ts";
import { openHealthWatch } from "./health-watch.ts";
import { openOperations } from "./operations/driver.ts";
import { openOperationService, type OperationService } from "./operations/service.ts";
import type { AgentPorts } from "./ports.ts";
import { openScrubber, type Scrubber } from "./scrubber.ts";
import { configStatus, roleOf, slotStatus, stageStatus, stateOf, trustStatus, type AgentStatus, type Alarm } from "./status.ts";
import { openReconciler } from "./stages/reconciler.ts";
import { openUpkeep } from "./upkeep.ts";
import { openRecovery } from "./recovery-loop.ts";
import { openReset, type Reset } from "./reset-loop.ts";
import { todo } from "./operations/operation.ts";
import { untilAborted } from "../host/wait.ts";
import type { Updates, UpdatesSummary } from "./updates/updates.ts";
import { isSuspicious } from "./verification.ts";
import { openWorld, type World } from "./world.ts";

export interface Agent {
  status(): AgentStatus;
  readonly operations: OperationService;
  readonly scrub: Scrubber["scrub"];
  readonly installer: Installer;
  /** What is installed without anybody being asked. */
  readonly automatic: Pick<Automatic, "status">;
  readonly reset: Pick<Reset, "plan" | "reset" | "wipe">;
  /** How it keeps itself current. */
  readonly updates: () => Promise<Updates>;
  readonly config: Omit<ConfigService, "loop" | "judged" | "isArgsTrial" | "healthy" | "unhealthy">;
  /** Works until the signal is aborted; then what the next boot needs is stored. */
  run(signal: AbortSignal): Promise<void>;
}

/** Opens the world: what is stored, what this boot is, what the loader took. From here on the agent can answer. */
export async function openAgent(ports: AgentPorts): Promise<Agent> {
  const world = openWorld(ports);
  const startedAfter = Math.round(ports.uptime());
  const scrubber = openScrubber(world);
  const upkeep = openUpkeep(world, { isKept: () => health.isKept, suspect: scrubber.ask, reconcile: openReconciler(ports).look });
  const reset = openReset(
    world,
    () => world.state.operation !== undefined && todo(world.state.operation, ports.bootId) !== undefined,
  );
  const operations = openOperations(world, reset.refusal);
  const recovery = openRecovery(world, operations, scrubber.scrub);
  const installer = openInstaller(ports);
  const automatic = openAutomatic({
    ...{ ...ports, ...ports.installSources, rootHash: ports.facts.rootHash },
    disks: async (signal) => (await installer.disks(signal)).disks,
    plan: installer.plan,
    install: installer.install,
  });
  const health = openHealthWatch(world, {
    unusable: upkeep.unusable,
    kept: async () => {
      await operations.healthy();
      await config.healthy();
    },
    judged: () => config.judged(),
    trial: { is: () => config.isArgsTrial(), failed: async (reason) => await config.unhealthy(reason) },
  });
  const config = openConfigService(world, {
    refusal: reset.refusal,
    changed: async () => {
      await health.planned();
      updates.changed();
    },
    health: () => health.status().is,
  });

  const service = openOperationService(world, operations);
  const updates = lateUpdates(world, service);

  await begin(world);
  const fingerprint = await fingerprintOf(world);
  await reset.begin();
  await upkeep.lookAtPartitions();
  scrubber.recall();
  await operations.begin();
  await health.begin();

  return {
    scrub: scrubber.scrub,
    installer,
    automatic,
    reset,
    config,
    operations: service,
    updates: updates.open,
    run: async (signal) => {
      const unlessAlone = (error: unknown): void => {
        if (!reset.alone.aborted || signal.aborted) throw error;
      };
      const loops = [
        health.loop,
        health.deadline,
        upkeep.loop,
        upkeep.findLogs,
        upkeep.beat,
        upkeep.recordCopies,
        // A boot that is there to reset the machine does nothing else to its images.
        ...(ports.facts.resetting ? [] : [scrubber.loop, operations.loop, recovery.loop, config.loop, updates.loop]),
        ...(installer.isInstaller ? [automatic.loop] : []),
      ];
      try {
        const both = AbortSignal.any([signal, reset.alone]);
        const others = loops.map(async (loop) => await loop(both));
        await Promise.all([reset.loop(signal), ...others.map(async (loop) => await loop.catch(unlessAlone))]);
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        await upkeep.keepForNextBoot();
        await stop(world);
      }
    },
    status: () => ({
      ...bootStatus(world),
      ...(fingerprint === undefined ? {} : { fingerprint }),
      ...trustStatus(ports.trust),
      ...configStatus(ports.machineConfig.now(), { running: world.running, record: world.record, booted: ports.facts.trial }),
      ...stageStatus(ports.stages, ports.machineConfig.now().config?.generation),
      health: health.status(),
      ...(operations.status() ? { operation: operations.status()! } : {}),
      ...(installer.status() ? { installation: installer.status()! } : {}),
      ...(recovery.status() ? { recovery: recovery.status()! } : {}),
      ...(reset.status() ? { reset: reset.status()! } : {}),
      ...updatesStatus(updates.summary()),
      degraded: upkeep.degraded,
      ...(scrubber.verifying ? { verifying: scrubber.verifying } : {}),
      agent: { pid: ports.pid, startedAfter },
    }),
  };
}

/** Most of it is read only once a machine config says anything of it, or somebody asks. */
function lateUpdates(
  world: World,
  service: OperationService,
): Pick<Updates, "loop"> & {
  readonly open: () => Promise<Updates>;
  readonly changed: () => void;
  readonly summary: () => UpdatesSummary | undefined;
} {
  let opened: Promise<Updates> | undefined;
  let looping: Updates | undefined;
  let changed = Promise.withResolvers<void>();
  const open = async (): Promise<Updates> => {
    opened ??= import("./updates/node-updates.ts").then(async ({ openNodeUpdates }) => await openNodeUpdates(world, service));
    return await opened;
  };
  return {
    open,
    summary: () => (world.ports.machineConfig.now().updates ? looping?.summary() : undefined),
    changed: () => {
      const { resolve } = changed;
      changed = Promise.withResolvers();
      resolve();
      void opened?.then(({ wake }) => wake());
    },
    loop: async (signal) => {
      while (!world.ports.machineConfig.now().updates) await untilAborted(changed.promise, signal);
      looping = await open();
      await looping.loop(signal);
    },
  };
}

const updatesStatus = (updates: UpdatesSummary | undefined): Pick<AgentStatus, "updates"> => (updates ? { updates } : {});

async function begin(world: World): Promise<void> {
  const { ports, running, remember } = world;
  const { facts, store } = ports;
  for (const [index, problem] of store.problems.entries()) world.raise(`STATE_${index}`, problem);
  for (const [index, problem] of ports.trust.problems.entries()) world.raise(`TRUST_${index}`, problem);
  for (const [index, note] of facts.notes.entries()) world.raise(`BOOT_${index}`, note);
  await world.readRecord();
  const { found, tries } = world.record;
  const start = {
    ...{ id: ports.bootId, slot: running, version: facts.image?.version ?? "", at: Math.floor(ports.now()), tries },
    ...(found.is === "whole" ? { granted: fullTries(found.record) } : {}),
  };
  // The history first: without it a restart could not be told from a boot that nobody saw.
  const { boots: before } = world.state;
  await remember((old) => beginBoot({ since: start.at, ...old }, start));
  tellBoots(world, before);
  if (!isInDoubt(world)) await world.changeRecord((known) => restoreTries(running, known));
}

/** An agent that starts again in the same boot tells nothing. @param before boots that were known then */
function tellBoots({ ports, running, record: { found, tries }, state }: World, before: readonly BootEntry[]): void {
  const { version = "" } = ports.facts.image ?? {};
  if (before.at(-1)?.id === ports.bootId) return;
  const known = new Set(before.flatMap(({ id, end }) => (end && id !== undefined ? [id] : [])));
  const ended = state.boots.filter(({ id, end }) => end && (id === undefined || !known.has(id)));
  // Those that no agent has seen have no id: the ones that were added now are the last.
  const unseen = ended.filter(({ id }) => id === undefined).slice(before.filter(({ id }) => id === undefined).length);
  for (const { slot, version: of, end } of [...ended.filter(({ id }) => id !== undefined), ...unseen])
    ports.log("info", `a boot of ${targetName(slot)} has failed: ${end!.reason}`, {
      kind: "boot-failed",
      boot: { slot, ...(of === "" ? {} : { version: of }), ending: end!.how, reason: end!.reason },
    });
  ports.log("info", `${targetName(running)} runs`, { kind: "boot-started", boot: { slot: running, version } });
  const isLeft = found.is === "whole" && (running === "a" || running === "b") && found.record.active !== running;
  if (isLeft && state.asked?.into !== running && tries?.next !== running)
    ports.log("alarm", `${targetName(running)} runs in place of slot ${found.record.active}`, {
      kind: "slot-fell-back",
      slot: { name: found.record.active, reason: "its tries are over, or its image cannot be booted" },
    });
}

/** A machine that keeps nothing is nobody whom one could know again; but whoever becomes its owner has to know it for that long. */
async function fingerprintOf({ running, ports, raise }: World): Promise<string | undefined> {
  const inMemory = running === "ram" && ports.waitsForOwner ? { readOnly: false } : undefined;
  const oem = running === "ram" ? inMemory : await ports.mounted("oem");
  if (!oem) return undefined;
  try {
    return await ports.fingerprint();
  } catch (error) {
    if (!oem.readOnly) raise("NODE_KEY", `this machine has no key that can be used: ${(error as Error).message}`);
    return undefined;
  }
}

/**
 * Damage that restarts the machine just after its agent has started would do so forever, if each boot had all its tries. Once it is found whole a
 * slot has them back.
 */
function isInDoubt({ ports, running, record: { found }, state }: World): boolean {
  if (running === "recovery" || running === "ram" || found.is !== "whole") return false;
  return found.record.slots[otherSlot(running)].state === "proven" && isSuspicious(state, running, ports.now());
}

/** In good order, as far as this program can tell; an ending that is there already says more. */
async function stop({ remember }: World): Promise<void> {
  await remember((old) => (old.boots.at(-1)?.end ? old : endBoot(old, { how: "stopped", reason: "it was stopped" })));
}

function bootStatus({
  ports,
  running,
  record,
  state,
  alarms,
}: World): Omit<AgentStatus, "health" | "degraded" | "agent" | "fingerprint"> {
  const { facts } = ports;
  const { found, tries } = record;
  const digest = found.is === "whole" && (running === "a" || running === "b") ? found.record.slots[running].digest : undefined;
  return {
    at: Math.floor(ports.now()),
    machine: ports.machine,
    image: {
      ...{ name: facts.image?.name ?? "", version: facts.image?.version ?? "", rootHash: facts.rootHash },
      ...(digest ? { digest } : {}),
    },
    running,
    role: roleOf(running, record),
    state: stateOf(running, record),
    slots: { a: slotStatus("a", record, state.scrubs.a), b: slotStatus("b", record, state.scrubs.b) },
    ...(tries?.next ? { next: tries.next } : {}),
    alarms: [...alarms, ...auditAlarm(ports)].map(([code, message]): Alarm => ({ code, message })),
    failedBoots: failedBoots(state),
    boot: { id: ports.bootId, since: state.boots.at(-1)?.at ?? 0, uptime: Math.round(ports.uptime() / 1000) },
  };
}

const auditAlarm = ({ audit }: AgentPorts): readonly (readonly [code: string, message: string])[] => {
  const failure = audit.failure();
  return failure === undefined ? [] : [["AUDIT_NOT_STORED", failure]];
};
