/** @portable What was done once for this instance of a machine: on the oem partition, in two copies. Format: docs/formats/instance.md */
import { KiB } from "../core/units.ts";
import { asciiJson } from "./ascii-json.ts";
import { decodeNumbered, encodeNumbered, type NumberedKind } from "./numbered-text.ts";

/** On the oem partition: as a running system has it, below `/oem`. */
export const INSTANCE_FOLDER = "/petrify/instance";
export const INSTANCE_NAMES = ["instance-1", "instance-2"] as const;
const KIND: NumberedKind = { name: "petrify-instance", format: 1, size: 16 * KiB };
/** Longer ones are cut: the file has one size. */
const LONGEST = 200;
const MOST = 40;

export interface InstanceRecord {
  /** What the machine's sources call it, else its machine-id. */
  readonly instance: string;
  /** Somebody is asked over the network what it is called, and has never answered: the first name that comes is this machine's. */
  readonly awaits?: true;
  /** By the key of the document, and what it is about: `runcmd`, `disk_setup /dev/vdb`. */
  readonly done: Readonly<Record<string, OnceDone>>;
}
export interface OnceDone {
  /** When it ended, or began, in seconds since 1970. */
  readonly at: number;
  /** It was begun, and nobody saw its end. Absent once it has ended. */
  readonly begun?: true;
  /** The next command was begun. */
  readonly running?: true;
  /** Commands that have ended, however. */
  readonly ended?: number;
  /** Which list of commands they are of: the first digits of its SHA-256. */
  readonly of?: string;
  /** Why it has failed; it is not tried again. */
  readonly problem?: string;
}

/** A copy's bytes, of one size whatever it says. @throws RangeError more than fits */
export function encodeInstance({ instance, awaits, done }: InstanceRecord, sequence: number): Uint8Array {
  const cut = Object.entries(done).map(([key, value]): [string, OnceDone] => [
    key.slice(0, LONGEST),
    { ...value, ...(value.problem !== undefined && { problem: value.problem.slice(0, LONGEST) }) },
  ]);
  const bytes = encodeNumbered(
    KIND,
    sequence,
    asciiJson({ instance: instance.slice(0, LONGEST), ...(awaits ? { awaits } : {}), done: Object.fromEntries(cut) }),
  );
  if (!bytes || cut.length > MOST) throw new RangeError(`record of the instance: more than ${MOST} things were done once`);
  return bytes;
}

export type DecodedInstance =
  | { readonly is: "whole"; readonly sequence: number; readonly value: InstanceRecord }
  | { readonly is: "newer"; readonly sequence: number }
  | { readonly is: "unreadable" };

/** Never throws: whatever is not certainly a copy is `unreadable`. */
export function decodeInstance(bytes: Uint8Array): DecodedInstance {
  const found = decodeNumbered(KIND, bytes);
  if (found.is !== "whole") return found;
  try {
    const { instance, awaits, done } = JSON.parse(found.text) as Partial<InstanceRecord>;
    if (typeof instance !== "string" || typeof done !== "object" || done === null) return { is: "unreadable" };
    return { is: "whole", sequence: found.sequence, value: { instance, ...(awaits === true ? { awaits } : {}), done } };
  } catch {
    return { is: "unreadable" };
  }
}
