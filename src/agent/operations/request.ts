/** Whether something that was asked for can be done, and as which operation. Pure: every refusal comes before the first write. */
import { AppError } from "../../core/error.ts";
import { formatSize, type Bytes } from "../../core/units.ts";
import { targetName } from "../../layout/cmdline.ts";
import type { Operation, RecoveryUpgrade, Rollback, Upgrade } from "../../layout/operation.ts";
import type { RecordFacts } from "../../layout/record-change.ts";
import type { BootRecord } from "../../layout/record.ts";
import { otherSlot, SLOTS, type BootTarget, type RecoveryFile, type SlotName } from "../../layout/slots.ts";
import type { Place } from "./operation.ts";
import type { InspectedImage } from "./ports.ts";

/** What a request is judged by. */
export interface Situation {
  readonly running: BootTarget | "ram";
  /** Of the running image. */
  readonly version: string;
  /** Of the recovery file that runs, where that is what runs. */
  readonly runningRecovery?: RecoveryFile;
  readonly record: RecordFacts;
  /** Slots whose image was found damaged. */
  readonly damaged: ReadonlySet<SlotName>;
  /** From recovery: left alone as long as there is another one of no use. */
  readonly spared?: SlotName;
  /** What is under way. */
  readonly operation: Operation | undefined;
}
/** Who asks, and when. */
export interface Asked {
  readonly id: string;
  readonly cause: string;
  /** Seconds since 1970. */
  readonly now: number;
}
export interface UpgradeWish {
  /** Restart into it at once; else it is only staged. */
  readonly restart: boolean;
  /** Also an image that runs already. */
  readonly force: boolean;
  /** Bring it here, and no more. */
  readonly only?: "download";
  /** Of a release: how many come a second, at the most. */
  readonly bandwidth?: Bytes;
}

/**
 * The slot that an upgrade would write to: never the one that runs, and never the last proven one that is whole.
 *
 * @throws AppError `UPGRADE_NOT_POSSIBLE`, `TRIAL_RUNNING`, `RECORD_UNREADABLE`
 */
export function upgradeTarget({ running, record, damaged, spared }: Situation): SlotName {
  const { slots, active } = knownRecord(record);
  if (running === "ram") {
    throw new AppError("UPGRADE_NOT_POSSIBLE", "this machine runs from memory: there is no disk to upgrade", {
      hint: "Boot it with the new image instead.",
    });
  }
  const isGood = (slot: SlotName): boolean => slots[slot].state === "proven" && !damaged.has(slot);
  if (running !== "recovery") {
    const target = otherSlot(running);
    if (!isGood(target) || isGood(running)) return target;
    throw new AppError(
      "TRIAL_RUNNING",
      slots[running].state === "trial"
        ? `slot ${running} is on trial: until it is healthy, slot ${target} is the only one that is known to work`
        : `slot ${running} is not proven, and slot ${target} is the only one that is known to work`,
      { hint: "Wait until `petrify status` says healthy, or go back with `petrify rollback`." },
    );
  }
  // From recovery: what is of no use first, then the passive one.
  const useless = SLOTS.filter((slot) => !isGood(slot));
  return useless.find((slot) => slot !== spared) ?? useless[0] ?? otherSlot(active);
}

/** @throws AppError as {@link upgradeTarget}; `IMAGE_TOO_LARGE`; `ALREADY_RUNNING`, `ALREADY_STAGED` */
export function upgradeOf(
  situation: Situation,
  found: InspectedImage,
  capacity: Bytes,
  wish: UpgradeWish,
  asked: Asked,
): Upgrade {
  const target = upgradeTarget(situation);
  const { running, version, record, operation } = situation;
  const { slots, active } = knownRecord(record);
  const { image, source, release } = found;
  assertFits(image.size, capacity, `slot ${target}`);
  if (!wish.force && running !== "recovery" && running !== "ram" && slots[running].digest === image.digest) {
    throw new AppError("ALREADY_RUNNING", `${image.name} ${image.version} is what runs in slot ${running}`, {
      hint: "Nothing has to be done. `--force` writes it to the other slot all the same.",
    });
  }
  const { state, digest } = slots[target];
  const isThere = digest === image.digest && (state === "trial" || state === "proven");
  if (
    isThere &&
    !wish.force &&
    !wish.restart &&
    active === target &&
    operation?.kind === "upgrade" &&
    operation.at === "flipped"
  ) {
    throw new AppError("ALREADY_STAGED", `${image.name} ${image.version} is staged in slot ${target}`, {
      hint: "It runs after the next restart: `petrify reboot`.",
    });
  }
  const reused = isThere && !wish.force;
  return {
    ...{ kind: "upgrade", ...begun(asked, running, version), source, image, written: 0, failures: 0, target, reused },
    ...(release ? { release } : {}),
    ...(wish.only ? { only: wish.only } : {}),
    ...(wish.bandwidth === undefined ? {} : { bandwidth: wish.bandwidth }),
    restart: wish.restart,
    at: reused ? "verifying" : source.is === "file" ? "checking" : "writing",
  };
}

/** The recovery file that is neither running nor the only good one: the one that is not current, unless that is what runs. */
export function recoveryTarget({ running, runningRecovery, record }: Situation): RecoveryFile {
  const { recovery } = knownRecord(record);
  if (running === "ram") throw new AppError("UPGRADE_NOT_POSSIBLE", "this machine runs from memory: there is no disk to upgrade");
  const inUse = running === "recovery" ? (runningRecovery ?? recovery) : recovery;
  return inUse === 1 ? 2 : 1;
}

/** @throws AppError as {@link recoveryTarget}; `IMAGE_TOO_LARGE` */
export function recoveryUpgradeOf(
  situation: Situation,
  { image, source, release }: InspectedImage,
  capacity: Bytes,
  asked: Asked,
): RecoveryUpgrade {
  const target = recoveryTarget(situation);
  assertFits(image.size, capacity, "recovery");
  return {
    ...{
      kind: "recovery-upgrade",
      ...begun(asked, situation.running, situation.version),
      source,
      image,
      written: 0,
      failures: 0,
      target,
    },
    ...(release ? { release } : {}),
    at: source.is === "file" ? "checking" : "writing",
  };
}

/** @throws AppError `NOTHING_TO_ROLL_BACK_TO`, `RECORD_UNREADABLE` */
export function rollbackOf(situation: Situation, restart: boolean, asked: Asked): Rollback {
  const { running, record, version, damaged } = situation;
  const { slots, active } = knownRecord(record);
  const target = running === "a" || running === "b" ? otherSlot(running) : SLOTS.find((slot) => slots[slot].state === "proven");
  const refuse = (why: string, hint = "Bring an image with `petrify upgrade`."): never => {
    throw new AppError("NOTHING_TO_ROLL_BACK_TO", why, { hint });
  };
  if (running === "ram") return refuse("this machine runs from memory: there is nothing to go back to");
  if (target === undefined) return refuse("no slot is proven: there is nothing to go back to");
  const { state, digest } = slots[target];
  if (state === "trial" && active === target)
    return refuse(`slot ${target} holds an upgrade that has not run yet`, "Take it back with `petrify upgrade --cancel`.");
  if (state !== "proven" || digest === undefined)
    return refuse(`slot ${target} is ${state === "trial" ? "not proven: it has not passed its health checks" : state}`);
  if (damaged.has(target)) return refuse(`slot ${target} is damaged`);
  return { kind: "rollback", ...begun(asked, running, version), target, image: { digest }, restart, at: "verifying" };
}

/** @throws AppError `NOT_BOOTABLE`, `RECORD_UNREADABLE` */
export function assertBootable(into: BootTarget, record: RecordFacts): void {
  const { slots } = knownRecord(record);
  if (into === "recovery" || slots[into].state === "proven" || slots[into].state === "trial") return;
  throw new AppError("NOT_BOOTABLE", `slot ${into} is ${slots[into].state}: the loader would not boot it`, {
    hint: "See `petrify slots`.",
  });
}

export const placeName = (place: Place): string =>
  place === "a" || place === "b" ? targetName(place) : `recovery ${place.slice(-1)}`;

function begun(
  { id, cause, now }: Asked,
  running: BootTarget | "ram",
  version: string,
): Pick<Operation, "id" | "cause" | "startedAt" | "from"> {
  return { id, cause, startedAt: now, from: { slot: running === "ram" ? "recovery" : running, version } };
}

function knownRecord({ found }: RecordFacts): BootRecord {
  if (found.is === "whole") return found.record;
  throw new AppError(
    "RECORD_UNREADABLE",
    found.is === "newer" ? "the boot record was written by newer software" : `the boot record is unreadable: ${found.why}`,
    { hint: "The agent makes it anew once this boot is healthy: see `petrify status`." },
  );
}

/** @param place as the error names it @throws AppError `IMAGE_TOO_LARGE` */
export function assertFits(size: Bytes, capacity: Bytes, place: string): void {
  if (size <= capacity) return;
  const exact = (bytes: Bytes): string => `${formatSize(bytes)} (${bytes} bytes)`;
  throw new AppError("IMAGE_TOO_LARGE", `the image of ${exact(size)} does not fit ${place}, which has ${exact(capacity)}`, {
    hint: "Make the image smaller, or install on a disk with larger slots.",
  });
}
