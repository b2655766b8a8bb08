/**
 * What an operation does next, and when it is over. Pure: {@link todo} derives the work from what is stored, so a power cut, a killed agent or a crash
 * only repeats it, and every job is idempotent; {@link next} takes its result. Drawn in docs/concepts/upgrade.md.
 */
import type { Bytes } from "../../core/units.ts";
import { targetName } from "../../layout/cmdline.ts";
import type {
  AcceptedRelease,
  Downloaded,
  Failure,
  ImageSource,
  ImageSummary,
  Operation,
  Outcome,
} from "../../layout/operation.ts";
import type { RecordFacts } from "../../layout/record-change.ts";
import { FULL_TRIES, type BootTarget, type RecoveryFile, type SlotName } from "../../layout/slots.ts";

/** A place that an image is written to. */
export type Place = SlotName | `recovery${RecoveryFile}`;

/** Work that a state asks for. */
export type Job =
  | { readonly do: "check"; readonly source: ImageSource; readonly digest: string }
  | {
      readonly do: "write";
      readonly place: Place;
      readonly source: ImageSource;
      readonly image: ImageSummary;
      readonly from: Bytes;
      /** By earlier tries. */
      readonly downloaded: Bytes;
      readonly bandwidth?: Bytes;
      readonly keep?: boolean;
    }
  | { readonly do: "verify"; readonly place: Place; readonly digest: string }
  | {
      readonly do: "flip";
      readonly slot: SlotName;
      readonly state: "trial" | "proven";
      readonly digest: string;
      readonly release?: AcceptedRelease;
    }
  | { readonly do: "undo"; readonly slot: SlotName }
  | { readonly do: "switch-recovery"; readonly file: RecoveryFile; readonly release?: AcceptedRelease }
  | { readonly do: "restart"; readonly why: string };

export type OperationEvent =
  /** The agent has started: after a restart, or after it was killed. */
  | { readonly is: "started"; readonly running: BootTarget | "ram"; readonly bootId: string; readonly record: RecordFacts }
  | { readonly is: "progress"; readonly written: Bytes; readonly downloaded?: Downloaded }
  | { readonly is: "written"; readonly downloaded?: Downloaded }
  /** It is known how the bytes come. */
  | { readonly is: "way"; readonly way: string }
  /** `final`: trying again would change nothing. */
  | ({ readonly is: "failed"; readonly final: boolean } & Failure)
  | { readonly is: "whole" }
  | { readonly is: "damaged"; readonly damage: string }
  /** The job's change is durable. */
  | { readonly is: "done"; readonly bootId: string }
  /** The running slot has passed its health checks. */
  | { readonly is: "healthy" }
  | { readonly is: "cancelled" };

export type Step = { readonly operation: Operation } | ({ readonly ends: Outcome } & Partial<Failure>);

/** A write is tried again so often: a line that is down comes back, a disk that is broken does not. */
const MAX_FAILURES = 5;

/** @param bootId of the running boot: a restart is asked for once */
export function todo(operation: Operation, bootId: string): Job | undefined {
  switch (operation.kind) {
    case "upgrade": {
      const { at, target, source, image, written, bandwidth, only } = operation;
      if (at === "checking") return { do: "check", source, digest: image.digest };
      if (at === "writing")
        return {
          ...{ do: "write", place: target, source, image, from: written, downloaded: downloadedBy(operation) },
          ...(bandwidth !== undefined && { bandwidth }),
          ...(only === "download" && { keep: true }),
        };
      if (at === "verifying") return { do: "verify", place: target, digest: image.digest };
      if (at === "flipping") return { do: "flip", slot: target, state: "trial", digest: image.digest, ...releaseOf(operation) };
      if (at === "undoing") return { do: "undo", slot: target };
      return at === "flipped" ? restartOnce(operation, `upgrade to ${image.name} ${image.version}`, bootId) : undefined;
    }
    case "rollback": {
      const { at, target, image } = operation;
      if (at === "verifying") return { do: "verify", place: target, digest: image.digest };
      if (at === "flipping") return { do: "flip", slot: target, state: "proven", digest: image.digest };
      return restartOnce(operation, `rollback to slot ${target}`, bootId);
    }
    case "recovery-upgrade": {
      const { at, target, source, image, written } = operation;
      if (at === "checking") return { do: "check", source, digest: image.digest };
      if (at === "writing") {
        return { do: "write", place: `recovery${target}`, source, image, from: written, downloaded: downloadedBy(operation) };
      }
      if (at === "verifying") return { do: "verify", place: `recovery${target}`, digest: image.digest };
      return { do: "switch-recovery", file: target, ...releaseOf(operation) };
    }
  }
}

const downloadedBy = ({ downloaded }: Of<"upgrade" | "recovery-upgrade">): Bytes => downloaded?.bytes ?? 0;
const releaseOf = ({ release }: Of<"upgrade" | "recovery-upgrade">): { readonly release?: AcceptedRelease } =>
  release ? { release } : {};

function restartOnce(
  operation: { readonly restart: boolean; readonly bootId?: string },
  why: string,
  bootId: string,
): Job | undefined {
  return operation.restart && operation.bootId === bootId ? { do: "restart", why } : undefined;
}

/** What becomes of an operation; an event that means nothing to it leaves it as it is. */
export function next(operation: Operation, event: OperationEvent): Step {
  const same: Step = { operation };
  if (event.is === "failed") return failed(operation, event);
  switch (operation.kind) {
    case "upgrade":
      return nextOfUpgrade(operation, event) ?? same;
    case "rollback":
      return nextOfRollback(operation, event) ?? same;
    case "recovery-upgrade":
      return nextOfRecoveryUpgrade(operation, event) ?? same;
  }
}

const downloadsOf = ({ downloaded }: { readonly downloaded?: Downloaded }): { readonly downloaded?: Downloaded } =>
  downloaded ? { downloaded } : {};

type Of<Kind extends Operation["kind"]> = Extract<Operation, { readonly kind: Kind }>;

function nextOfUpgrade(upgrade: Of<"upgrade">, event: OperationEvent): Step | undefined {
  const { at, target } = upgrade;
  switch (event.is) {
    case "progress":
      return at === "writing" ? { operation: { ...upgrade, written: event.written, ...downloadsOf(event) } } : undefined;
    case "written":
      return at === "writing" ? { operation: { ...upgrade, at: "verifying", ...downloadsOf(event) } } : undefined;
    case "way":
      return at === "writing" ? { operation: { ...upgrade, way: event.way } } : undefined;
    case "whole":
      if (at === "checking") return { operation: { ...upgrade, at: "writing" } };
      if (at !== "verifying") return undefined;
      return upgrade.only === "download" ? { ends: "succeeded" } : { operation: { ...upgrade, at: "flipping" } };
    case "damaged":
      if (at === "checking") return { ends: "failed", reason: `the image is damaged: ${event.damage}` };
      if (at !== "verifying") return undefined;
      // What the slot had is not what it should be: it gets the image after all.
      if (upgrade.reused) return { operation: { ...upgrade, at: "writing", reused: false, written: 0 } };
      return { ends: "failed", reason: `what was written is not the image: ${event.damage}` };
    case "done":
      if (at === "undoing") return { ends: "cancelled" };
      return at === "flipping" ? { operation: { ...upgrade, at: "flipped", bootId: event.bootId } } : undefined;
    case "healthy":
      return at === "trial" ? { ends: "succeeded" } : undefined;
    case "cancelled":
      if (at === "checking" || at === "writing" || at === "verifying") return { ends: "cancelled" };
      return at === "flipping" || at === "flipped" ? { operation: { ...upgrade, at: "undoing" } } : undefined;
    case "started":
      return upgradeAfterStart(upgrade, event);
    case "failed":
      return undefined;
  }

  function upgradeAfterStart(
    { image }: Of<"upgrade">,
    { running, bootId, record: { found, tries } }: Extract<OperationEvent, { readonly is: "started" }>,
  ): Step | undefined {
    const slot = found.is === "whole" ? found.record.slots[target] : undefined;
    const isFlipped = found.is === "whole" && found.record.active === target && slot?.digest === image.digest;
    if (at === "writing" || at === "verifying") {
      return running === target ? { ends: "failed", reason: `slot ${target} was booted while it was being written` } : undefined;
    }
    if (at === "checking" || at === "undoing") return undefined;
    // The flip is one write: it has happened or it has not.
    if (at === "flipping" && !isFlipped && running !== target) return undefined;
    if (running === target) {
      if (slot?.state === "proven") return { ends: "succeeded" };
      return { operation: { ...upgrade, at: "trial" } };
    }
    if (at === "flipped" && upgrade.bootId === bootId) return undefined; // the agent alone was restarted
    if (at === "trial") return { ends: "fell back", reason: "" };
    const left = tries?.[target] ?? 0;
    if (slot?.state === "trial" && left === FULL_TRIES.trial) {
      // Nothing was tried: something else was booted once, or the flip was the last thing before a cut.
      if (at === "flipping") return { operation: { ...upgrade, at: "flipped", bootId } };
      return upgrade.restart ? { ends: "failed", reason: `the loader did not try slot ${target}` } : undefined;
    }
    return left > 0
      ? { ends: "failed", reason: `the loader did not start slot ${target}: its boot files are not what they were` }
      : { ends: "fell back", reason: "" };
  }
}

function nextOfRollback(rollback: Of<"rollback">, event: OperationEvent): Step | undefined {
  const { at, target } = rollback;
  switch (event.is) {
    case "whole":
      return at === "verifying" ? { operation: { ...rollback, at: "flipping" } } : undefined;
    case "damaged":
      return at === "verifying" ? { ends: "failed", reason: `slot ${target} is damaged: ${event.damage}` } : undefined;
    case "done":
      return at === "flipping" ? { operation: { ...rollback, at: "flipped", bootId: event.bootId } } : undefined;
    case "cancelled":
      return at === "verifying" ? { ends: "cancelled" } : undefined;
    case "started": {
      const { running, bootId, record } = event;
      if (running === target) return { ends: "succeeded" };
      const isFlipped = record.found.is === "whole" && record.found.record.active === target;
      if (at === "flipping" && isFlipped) return { operation: { ...rollback, at: "flipped", bootId } };
      if (at !== "flipped" || rollback.bootId === bootId) return undefined;
      return { ends: "failed", reason: `${nameOf(running)} was booted` };
    }
    case "progress":
    case "written":
    case "way":
    case "healthy":
    case "failed":
      return undefined;
  }
}

function nextOfRecoveryUpgrade(upgrade: Of<"recovery-upgrade">, event: OperationEvent): Step | undefined {
  const { at } = upgrade;
  switch (event.is) {
    case "progress":
      return at === "writing" ? { operation: { ...upgrade, written: event.written, ...downloadsOf(event) } } : undefined;
    case "written":
      return at === "writing" ? { operation: { ...upgrade, at: "verifying", ...downloadsOf(event) } } : undefined;
    case "way":
      return at === "writing" ? { operation: { ...upgrade, way: event.way } } : undefined;
    case "whole":
      if (at === "checking") return { operation: { ...upgrade, at: "writing" } };
      return at === "verifying" ? { operation: { ...upgrade, at: "switching" } } : undefined;
    case "damaged":
      if (at === "checking") return { ends: "failed", reason: `the image is damaged: ${event.damage}` };
      return at === "verifying" ? { ends: "failed", reason: `what was written is not the image: ${event.damage}` } : undefined;
    case "done":
      return at === "switching" ? { ends: "succeeded" } : undefined;
    case "cancelled":
      return at === "switching" ? undefined : { ends: "cancelled" };
    case "started":
    case "healthy":
    case "failed":
      return undefined;
  }
}

function failed(operation: Operation, { final, ...event }: Extract<OperationEvent, { readonly is: "failed" }>): Step {
  const isTriedAgain = operation.at === "writing" || operation.at === "flipping";
  if ("failures" in operation && isTriedAgain && !final && operation.failures + 1 < MAX_FAILURES) {
    return { operation: { ...operation, failures: operation.failures + 1 } };
  }
  const { reason, code, hint } = event;
  return { ends: "failed", reason, ...(code === undefined ? {} : { code }), ...(hint === undefined ? {} : { hint }) };
}

const nameOf = (running: BootTarget | "ram"): string => (running === "ram" ? "a boot from memory" : targetName(running));
