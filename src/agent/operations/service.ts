/** What people and programs ask for: inspected, judged, begun, followed. docs/concepts/upgrade.md */
import { hex } from "../../core/digest.ts";
import { targetName } from "../../layout/cmdline.ts";
import { AppError } from "../../core/error.ts";
import type { Bytes } from "../../core/units.ts";
import type { BootEntry } from "../../layout/agent-state.ts";
import type { FinishedOperation, ImageSource, Operation, RecoveryUpgrade, Upgrade } from "../../layout/operation.ts";
import { SLOTS, type BootTarget, type RecoveryFile, type SlotName } from "../../layout/slots.ts";
import type { Told } from "../../release/may-upgrade.ts";
import type { TrustedKeys } from "../../release/trusted-keys.ts";
import { knownDamage } from "../verification.ts";
import { hasConfig, type World } from "../world.ts";
import type { OperationNews, Operations } from "./driver.ts";
import type { Place } from "./operation.ts";
import type { Delivery, InspectedImage, ReleaseJudgement } from "./ports.ts";
import {
  assertBootable,
  placeName,
  recoveryTarget,
  recoveryUpgradeOf,
  rollbackOf,
  upgradeOf,
  upgradeTarget,
  type Asked,
  type Situation,
  type UpgradeWish,
} from "./request.ts";

export interface UpgradeRequest extends UpgradeWish {
  readonly source: ImageSource;
  /** The recovery image, not a slot. */
  readonly recovery: boolean;
  /** Of a release: what is passed over. */
  readonly told?: readonly Told[];
}
/** What an upgrade would do. */
export interface UpgradePlan {
  readonly image: InspectedImage;
  readonly running: { readonly slot: BootTarget | "ram"; readonly version: string; readonly digest?: string };
  readonly target: string;
  /** Bytes that the target has room for. */
  readonly capacity: Bytes;
  /** What is in the target now. */
  readonly replaces?: { readonly state: string; readonly digest?: string };
  /** Bytes that will be read from the source, and written. */
  readonly bytes: Bytes;
  /** Of a release: how they come. */
  readonly delivery?: Delivery;
  readonly steps: readonly string[];
}
export type CheckRequest = Pick<UpgradeRequest, "source" | "told">;
/** What {@link OperationService.check} comes to. */
export interface CheckEvent {
  readonly percent?: number;
  readonly result?: { readonly image: InspectedImage; readonly damage?: string };
}
/** An operation that has ended, and the log of the boot that made it fall back, as long as there is one. */
export interface HistoryEntry extends FinishedOperation {
  /** Seconds; absent where the clock was set meanwhile. */
  readonly duration?: number;
  readonly log?: { readonly source: string; readonly text: string };
}

export interface OperationService {
  /** @throws AppError as the request would be refused */
  readonly plan: (request: UpgradeRequest, signal: AbortSignal) => Promise<UpgradePlan>;
  /** Reads a whole image, and changes nothing; a release is judged before. */
  readonly check: (request: CheckRequest, signal: AbortSignal) => AsyncIterable<CheckEvent>;
  /** @param by who asks; default: root. The same of the others */
  readonly upgrade: (request: UpgradeRequest, signal: AbortSignal, by?: string) => AsyncIterable<OperationNews>;
  readonly rollback: (restart: boolean, signal: AbortSignal, by?: string) => AsyncIterable<OperationNews>;
  /** @throws AppError `NOT_BOOTABLE`, `OPERATION_RUNNING` */
  readonly restart: (into: BootTarget | undefined, by?: string) => Promise<void>;
  /** Turns the machine off. @throws AppError `OPERATION_RUNNING` */
  readonly powerOff: (by?: string) => Promise<void>;
  readonly follow: Operations["follow"];
  readonly cancel: () => Promise<FinishedOperation>;
  /** Newest first. */
  readonly history: () => readonly HistoryEntry[];
}

export function openOperationService(world: World, operations: Operations): OperationService {
  const { ports } = world;
  const { images } = ports;
  const situation = (): Situation => situationOf(world);
  const asked = (by = "root"): Asked => ({
    ...{ id: hex(ports.random(4)), cause: `asked for by ${by}`, now: Math.floor(ports.now()) },
  });

  const prepare = async (
    request: UpgradeRequest,
    signal: AbortSignal,
    by?: string,
  ): Promise<{ found: InspectedImage; capacity: Bytes; operation: Upgrade | RecoveryUpgrade }> => {
    const place: Place = request.recovery ? `recovery${recoveryTarget(situation())}` : upgradeTarget(situation());
    const trusted = ports.trust.trusted();
    assertMayBeSigned(request.source, trusted);
    const judgement = await judgementOf(world, trusted, request.told ?? []);
    const [found, capacity] = [await images.inspect(request.source, signal, judgement), await images.capacity(place)];
    if (!request.recovery) await assertKnowsConfig(world, found, signal);
    // Judged by what is so now: looking at the image may have taken a while.
    const operation = request.recovery
      ? recoveryUpgradeOf(situation(), found, capacity, asked(by))
      : upgradeOf(situation(), found, capacity, request, asked(by));
    return { found, capacity, operation };
  };
  async function* begin(operation: Operation, signal: AbortSignal): AsyncGenerator<OperationNews> {
    await operations.start(operation);
    yield* operations.follow(signal);
  }

  return {
    plan: async (request, signal) => {
      const { found, capacity, operation } = await prepare(request, signal);
      return planOf(operation, found, capacity, situation(), hasConfig(world));
    },
    check: ({ source, told }, signal) =>
      new ReadableStream<CheckEvent>({
        start: async (events) => {
          const judgement = source.is === "registry" ? await judgementOf(world, ports.trust.trusted(), told ?? []) : undefined;
          const image = await images.inspect(source, signal, judgement);
          const progress = ({ done, total }: { done: Bytes; total: Bytes }): void =>
            events.enqueue({ percent: Math.floor((100 * done) / Math.max(1, total)) });
          const { damage } = await images.check(image.source, image.image.digest, progress, signal);
          events.enqueue({ result: { image, ...(damage === undefined ? {} : { damage }) } });
          events.close();
        },
      }),
    upgrade: async function* (request, signal, by) {
      operations.assertFree(request.recovery ? "recovery-upgrade" : "upgrade"); // before the image is looked at, which may take long
      const { operation } = await prepare(request, signal, by);
      if (request.only === undefined) await ports.stages.start("before-upgrade", signal);
      yield* begin(operation, signal);
    },
    rollback: (restart, signal, by) => begin(rollbackOf(situation(), restart, asked(by)), signal),
    restart: async (into, by) => {
      if (into) assertBootable(into, world.record);
      await operations.restart(into, by === undefined ? undefined : restartText(into, by));
    },
    powerOff: async (by = "root") => await operations.powerOff(`turning it off was asked for by ${by}`),
    follow: operations.follow,
    cancel: operations.cancel,
    history: () => world.state.operations.map((entry) => historyEntry(entry, world.state.boots)).toReversed(),
  };
}

const restartText = (into: BootTarget | undefined, by: string): string =>
  into ? `restart into ${targetName(into)} was asked for by ${by}` : `a restart was asked for by ${by}`;

function planOf(
  operation: Upgrade | RecoveryUpgrade,
  found: InspectedImage,
  capacity: Bytes,
  { running, version, record }: Situation,
  withConfig: boolean,
): UpgradePlan {
  const known = record.found.is === "whole" ? record.found.record : undefined;
  const isSlot = operation.kind === "upgrade";
  const target = isSlot ? `slot ${operation.target}` : placeName(`recovery${operation.target}`);
  const replaces = isSlot ? known?.slots[operation.target] : undefined;
  const digest = running === "a" || running === "b" ? known?.slots[running].digest : undefined;
  const isReused = isSlot && operation.reused;
  return {
    image: found,
    running: { slot: running, version, ...(digest ? { digest } : {}) },
    ...{ target, capacity, bytes: isReused ? 0 : found.image.size },
    ...(isReused || !found.delivery ? {} : { delivery: found.delivery }),
    ...(replaces ? { replaces } : {}),
    steps: [
      ...(operation.at === "checking" ? ["check every byte of the image with its manifest"] : []),
      ...(isReused ? [] : [...(isSlot ? [`mark ${target} empty`] : []), writeStep(found, target)]),
      `read ${target} back from the disk and compare every byte with the manifest`,
      ...(isSlot && withConfig ? [`compile the machine config for the image, as that of ${target}`] : []),
      isSlot ? `make ${target} the active one, on trial with 3 tries` : `make ${target} the current one`,
      ...(isSlot ? [operation.restart ? "restart" : "wait for a restart: `petrify reboot`"] : []),
    ],
  };
}

const writeStep = ({ delivery }: InspectedImage, target: string): string =>
  delivery
    ? `download ${delivery.way}; write to ${target}, in place, what has the digest that the release says`
    : `write the image to ${target}, in place`;

/** What the rest of the image cannot do is only known once it is here. @throws AppError `CONFIG_UNSUPPORTED`, `CONFIG_BUSY` */
async function assertKnowsConfig(
  world: World,
  { image, machineConfig: language }: InspectedImage,
  signal: AbortSignal,
): Promise<void> {
  if (!language || !hasConfig(world)) return;
  const { name, version } = image;
  await world.ports.machineConfig.work({ do: "fits", image: { name, version }, language }, signal);
}

/** A machine that has keys takes only what somebody with one of them vouches for. @throws AppError `RELEASE_UNSIGNED` */
function assertMayBeSigned(source: ImageSource, trusted: TrustedKeys | undefined): void {
  if (!trusted || source.is === "registry" || source.is === "recovery") return;
  throw new AppError("RELEASE_UNSIGNED", "this machine takes signed releases only, and an image alone is not signed", {
    hint: "Name the release: REGISTRY/REPOSITORY:TAG, or oci:FOLDER for one that was brought in a folder (`petrify copy`).",
  });
}

/** What a release is compared with. From recovery: with what the active slot has, if that is known. */
async function judgementOf(
  { ports, running, record: { found }, state }: World,
  trusted: TrustedKeys | undefined,
  told: readonly Told[],
): Promise<ReleaseJudgement> {
  const { image } = ports.facts;
  const record = found.is === "whole" ? found.record : undefined;
  const slot = running === "a" || running === "b" ? running : record?.active;
  const kept = slot && state.released?.[slot];
  const clock = await ports.clockIsSet();
  const created = kept && kept.digest === record?.slots[slot].digest ? kept.created : image?.created;
  return {
    running: image && created !== undefined ? { name: image.name, version: image.version, created } : undefined,
    ...{ trusted, told, now: Math.floor(ports.now()), clockIsSet: clock.isSet, clockWhy: clock.why },
  };
}

function historyEntry(entry: FinishedOperation, boots: readonly BootEntry[]): HistoryEntry {
  const seconds = entry.endedAt - entry.startedAt;
  const slot = entry.target.replace(/^slot /, "") as SlotName | undefined;
  const log =
    entry.outcome === "fell back"
      ? boots.findLast((boot) => boot.slot === slot && boot.at >= entry.startedAt && boot.at <= entry.endedAt && boot.end?.log)
          ?.end?.log
      : undefined;
  return { ...entry, ...(seconds >= 0 ? { duration: seconds } : {}), ...(log ? { log } : {}) };
}

/** What requests are judged by, now. */
export const situationOf = ({ ports: { facts }, running, record, state }: World): Situation => ({
  ...{ running, version: facts.image?.version ?? "", record, operation: state.operation },
  ...(running === "recovery" ? { runningRecovery: runningRecovery(facts.file) } : {}),
  damaged: new Set(SLOTS.filter((slot) => knownDamage(slot, state, record) !== undefined)),
});

/** @param file of the recovery partition, as the loader named it */
export const runningRecovery = (file: string): RecoveryFile => (file.includes("2") ? 2 : 1);
