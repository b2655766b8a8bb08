/** What a reset does, step by step, and what it leaves. Pure. docs/concepts/reset.md */
import { formatSize, type Bytes } from "../core/units.ts";
import type { OemKeeps } from "../host/data-volume.ts";
import { targetName } from "../layout/cmdline.ts";
import { DATA_PARTITIONS, type DataPartition } from "../layout/fstab.ts";
import type { FinishedOperation, ImageSummary } from "../layout/operation.ts";
import type { RecordFacts } from "../layout/record-change.ts";
import type { AfterReset, ResetKeep, ResetOrder } from "../layout/reset-order.ts";
import { SLOTS, type SlotName } from "../layout/slots.ts";

/** What can be overwritten while recovery runs, and boots again after a power cut. */
export type ErasedPartition = DataPartition | "state";

export type ResetStep =
  /** Whether it can be done at all; nothing has changed yet. */
  | { readonly do: "check" }
  /** From here on recovery boots, whatever becomes of the rest. */
  | { readonly do: "close-slots" }
  | { readonly do: "erase"; readonly partition: ErasedPartition }
  | { readonly do: "wipe"; readonly partition: DataPartition }
  | { readonly do: "empty-oem"; readonly keeps: OemKeeps }
  | { readonly do: "forget-identity" }
  /** The log of a boot that failed: of the life before. */
  | { readonly do: "forget-words" }
  /** The file system that the slots are in is made anew where it is lost. */
  | { readonly do: "prepare-store" }
  | { readonly do: "write"; readonly slot: SlotName }
  | { readonly do: "verify"; readonly slot: SlotName }
  | { readonly do: "note-written" }
  | { readonly do: "open-slots" }
  | { readonly do: "end" }
  /** Tables, loader, boot record, and last what runs: nothing boots from here on. */
  | { readonly do: "erase-rest" }
  | { readonly do: "leave"; readonly after: AfterReset };

/** Both slots are empty in the boot record: the reset has begun, and not come to its end. */
export const isClosed = ({ found }: RecordFacts): boolean =>
  found.is === "whole" && SLOTS.every((slot) => found.record.slots[slot].state === "empty");

/**
 * What recovery does. Every step can be repeated; after a power cut all of them are, from the first one on. What is wiped is not wiped again once
 * all is written.
 */
export function resetSteps(
  order: Pick<ResetOrder, "kind" | "at" | "keep" | "erase" | "after">,
  record: RecordFacts,
): readonly ResetStep[] {
  if (order.kind === "wipe") return WIPE_STEPS;
  // It was done, and the slots do not start all the same: that is for recovery as it is at any time.
  if (order.at === "written" && !isClosed(record)) return [{ do: "end" }, { do: "leave", after: "reboot" }];
  const wipes: readonly ResetStep[] =
    order.at === "ordered" ? [...wipesOf(order), { do: "prepare-store" }] : [{ do: "prepare-store" }];
  const slots = SLOTS.flatMap((slot): readonly ResetStep[] => [
    { do: "write", slot },
    { do: "verify", slot },
  ]);
  return [
    ...([{ do: "check" }, { do: "close-slots" }] as const),
    ...wipes,
    ...slots,
    ...([{ do: "note-written" }, { do: "open-slots" }, { do: "end" }, { do: "leave", after: order.after }] as const),
  ];
}

/** What is somebody's goes first, while a power cut only delays it. */
const WIPE_STEPS: readonly ResetStep[] = [
  { do: "close-slots" },
  { do: "erase", partition: "persistent" },
  { do: "erase", partition: "oem" },
  { do: "erase", partition: "state" },
  { do: "erase-rest" },
];

/** What becomes of the data partitions. */
function wipesOf({ keep, erase }: Pick<ResetOrder, "keep" | "erase">): readonly ResetStep[] {
  const keeps = { config: keep.includes("config"), identity: keep.includes("identity") };
  const anew = wipedPartitions(keep).flatMap((partition): readonly ResetStep[] => [
    ...(erase ? [{ do: "erase", partition } as const] : []),
    { do: "wipe", partition },
  ]);
  return [
    ...anew,
    ...(keeps.config || keeps.identity ? [{ do: "empty-oem", keeps } as const] : []),
    ...(keeps.identity ? [] : [{ do: "forget-identity" } as const]),
    { do: "forget-words" },
  ];
}

/** Those that get a new file system. Of the oem partition only some files go where some of it is kept. */
const wipedPartitions = (keep: readonly ResetKeep[]): readonly DataPartition[] =>
  DATA_PARTITIONS.filter((name) =>
    name === "oem" ? !keep.includes("config") && !keep.includes("identity") : !keep.includes("data"),
  )
    // What is worth most to whoever gets the machine next goes first.
    .toReversed();

/** Where to go on when a step has failed: with itself, but for the slots, which begin anew with their file system. */
export function afterFailure(steps: readonly ResetStep[], failed: number): number {
  const store = steps.findIndex((step) => step.do === "prepare-store");
  const isOfSlots = steps[failed]?.do === "write" || steps[failed]?.do === "verify";
  return isOfSlots ? store : failed;
}

/** One line: what it does. */
export function resetStepText(step: ResetStep): string {
  switch (step.do) {
    case "check":
      return "verifying recovery's own image";
    case "close-slots":
      return "taking both slots out of the boot record";
    case "erase":
      return `overwriting the ${step.partition} partition`;
    case "wipe":
      return `making the ${step.partition} partition anew`;
    case "empty-oem":
      return `emptying the oem partition, but for ${step.keeps.config ? (step.keeps.identity ? "config and identity" : "the config") : "the identity"}`;
    case "forget-identity":
      return "forgetting who this machine is";
    case "forget-words":
      return "forgetting the last words of boots that failed";
    case "prepare-store":
      return "looking at the state partition";
    case "write":
      return `writing ${targetName(step.slot)} from recovery's own image`;
    case "verify":
      return `verifying ${targetName(step.slot)}`;
    case "note-written":
    case "open-slots":
      return "making slot a the active one, and both on trial";
    case "erase-rest":
      return "overwriting the rest of the disk, and powering off";
    case "end":
      return "noting that it is done";
    case "leave":
      return "leaving recovery";
  }
}

/** What of the machine goes: `data, config, identity`. */
function wipedText(keep: readonly ResetKeep[]): string {
  const gone = (["data", "config", "identity"] as const).filter((what) => !keep.includes(what));
  return gone.length === 0 ? "nothing but the history" : gone.join(", ");
}

/** An order that has ended, as the history of the machine has it. @param image what runs now */
export function resetEntry(order: ResetOrder, image: Partial<ImageSummary>, now: number): FinishedOperation {
  const { id, kind, cause, askedAt, from, keep, reason, endedAt = now } = order;
  return {
    ...{ id, kind, cause, startedAt: askedAt, from, endedAt },
    ...{
      target: `this machine (wiped: ${reason === undefined ? wipedText(keep) : "nothing"})`,
      image: reason === undefined ? image : {},
    },
    outcome: reason === undefined ? "succeeded" : "failed",
    ...(reason === undefined ? {} : { reason }),
  };
}

/** What a reset would do. */
export interface ResetPlan {
  readonly machine: { readonly id: string; readonly hostname: string };
  /** What both slots get: recovery's. */
  readonly image: ImageSummary;
  readonly wipes: readonly { readonly what: "data" | "config" | "identity" | "history"; readonly text: string }[];
  readonly keeps: readonly { readonly what: ResetKeep; readonly text: string }[];
  readonly erase: boolean;
  readonly after: ResetOrder["after"];
  /** Bytes that are read or written. */
  readonly bytes: Bytes;
  /** Very roughly. */
  readonly seconds: number;
  readonly steps: readonly string[];
}

export interface PlanFacts {
  readonly machine: ResetPlan["machine"];
  readonly image: ImageSummary;
  /** Of each data partition: what is used of it; nothing where it is not mounted. */
  readonly used: Readonly<Record<DataPartition, { readonly used: Bytes; readonly size: Bytes } | undefined>>;
}

/** A slow disk, and two boots. */
const BYTES_A_SECOND = 50_000_000;
const BOOTS_SECONDS = 60;
/** The image is read to be checked and read back from each slot, and written to both. */
const PASSES = 5;

export function resetPlan(wish: Pick<ResetOrder, "keep" | "erase" | "after">, { machine, image, used }: PlanFacts): ResetPlan {
  const { keep, erase, after } = wish;
  const on = (partition: DataPartition): string => {
    const found = used[partition];
    return found ? `${formatSize(found.used)} used of ${formatSize(found.size)}` : "which is not mounted";
  };
  const texts = {
    data: `the persistent partition, ${on("persistent")}: /usr/local, homes, logs, every persistent path`,
    config: `/oem (${on("oem")}) but for the machine's identity`,
    identity: "machine-id, GUIDs of the disk, SSH host keys, node key: the next boot is a first boot",
    history: "boots, operations and findings that the agent remembers, but for this reset",
  } as const;
  const written = PASSES * image.size;
  const erased = erase ? wipedPartitions(keep).reduce((sum, name) => sum + (used[name]?.size ?? 0), 0) : 0;
  const wiped = (["data", "config", "identity", "history"] as const).filter((what) => what === "history" || !keep.includes(what));
  const steps = resetSteps(
    { kind: "reset", at: "ordered", keep, erase, after },
    { found: { is: "unreadable", why: "" }, tries: undefined },
  );
  return {
    ...{ machine, image, erase, after, bytes: written + erased },
    wipes: wiped.map((what) => ({ what, text: texts[what] })),
    keeps: keep.map((what) => ({ what, text: texts[what] })),
    seconds: BOOTS_SECONDS + Math.ceil((written + erased) / BYTES_A_SECOND),
    steps: [
      "verifying recovery, and restarting into it",
      ...new Set(steps.filter((step) => step.do !== "end" && step.do !== "leave").map(resetStepText)),
      after === "reboot" ? "restarting into slot a" : "switching the machine off",
    ],
  };
}
