/** Operations in words. Pure. */
import type { BootEntry } from "../../layout/agent-state.ts";
import type { Failure, FinishedOperation, Operation, Upgrade } from "../../layout/operation.ts";
import { downloadedText } from "../../layout/downloaded-text.ts";
import { shortLine } from "../../layout/short-line.ts";

const STEPS: Readonly<Record<Operation["at"], string>> = {
  checking: "checking the image",
  writing: "writing",
  verifying: "verifying",
  flipping: "making it the active one",
  flipped: "waiting for a restart",
  trial: "on trial",
  undoing: "taking it back",
  switching: "making it the current one",
};

/** What it is about: `upgrade to edge 1.2.0`. */
function labelOf(
  operation: Pick<Operation, "kind"> & { readonly image?: object; readonly target?: unknown; readonly only?: "download" },
): string {
  const { kind, image = {}, only } = operation;
  const { name, version } = image as { readonly name?: string; readonly version?: string };
  const what = name === undefined ? "" : ` to ${name} ${version}`;
  switch (kind) {
    case "upgrade":
      return only === "download" ? `download of ${name} ${version}` : `upgrade${what}`;
    case "recovery-upgrade":
      return `upgrade of recovery${what}`;
    case "rollback":
      return `rollback to slot ${String(operation.target).replace(/^slot /, "")}`;
  }
}

/** With its step: `upgrade to edge 1.2.0: writing slot b`. */
export function describe(operation: Operation): string {
  const { at } = operation;
  const place = placeOf(operation);
  const step = STEPS[at];
  const bytes = at === "writing" ? wayOf(operation) : at === "verifying" ? downloadedOf(operation) : undefined;
  const how = bytes === undefined ? "" : `, ${bytes}`;
  const where = ["writing", "verifying", "trial", "flipped"].includes(at) ? ` ${place}${how}` : "";
  return `${labelOf(operation)}: ${at === "trial" || at === "flipped" ? `${where.trim()} is ${step}`.trim() : step + where}`;
}

export function finished(
  operation: Operation,
  { reason, code, hint, ...end }: Pick<FinishedOperation, "outcome" | "endedAt"> & Partial<Failure>,
): FinishedOperation {
  const { id, cause, startedAt, from, kind } = operation;
  const { way, downloaded, only } = kind === "rollback" ? {} : (operation as Pick<Upgrade, "way" | "downloaded" | "only">);
  return {
    ...{ id, kind, cause, startedAt, from },
    ...{ target: placeOf(operation), image: operation.image, ...end },
    // A stranger's words may be in them, as many as he likes, and the state has little room.
    ...(reason === undefined ? {} : { reason: shortLine(reason) }),
    ...(code === undefined ? {} : { code }),
    ...(hint === undefined ? {} : { hint: shortLine(hint) }),
    ...(only === undefined ? {} : { only }),
    ...(way === undefined ? {} : { way }),
    ...(downloaded ? { downloaded } : {}),
  };
}

const wayOf = (operation: Operation): string | undefined => ("way" in operation ? operation.way : undefined);
const downloadedOf = (operation: Operation): string | undefined =>
  "downloaded" in operation && operation.downloaded
    ? downloadedText(operation.downloaded.bytes, operation.downloaded.of)
    : undefined;

/** Why the slot of an upgrade was left, as its last boot says. */
export function failureOf(operation: Operation, boots: readonly BootEntry[]): string {
  const target = operation.kind === "upgrade" ? operation.target : undefined;
  const last = boots.findLast(
    ({ slot, at, end }) => slot === target && at >= operation.startedAt && end !== undefined && end.how !== "stopped",
  );
  return last?.end?.reason ?? "the loader left it, and nothing is known of its boots";
}

function placeOf(operation: Operation): string {
  return operation.kind === "recovery-upgrade" ? `recovery ${operation.target}` : `slot ${operation.target}`;
}
