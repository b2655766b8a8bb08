/** @portable That this machine is to be as it left the factory, or that nothing is to be left of it: a block of the record partition. Format: docs/formats/reset-order.md */
import { KiB, type Bytes } from "../core/units.ts";
import { decodeCheckedText, encodeCheckedText } from "./checked-text.ts";
import { BOOT_TARGETS, type BootTarget } from "./slots.ts";

/** In the record partition. */
export const RESET_ORDER_OFFSET: Bytes = 704 * KiB;
export const RESET_ORDER_SIZE: Bytes = 4 * KiB;

/** `reset`: as it left the factory. `wipe`: every byte of its disk is to be zero. */
export const RESET_KINDS = ["reset", "wipe"] as const;
export type ResetKind = (typeof RESET_KINDS)[number];
/** What a reset may leave: the machine config, who the machine is, the persistent partition. */
export const RESET_KEEPS = ["config", "identity", "data"] as const;
export type ResetKeep = (typeof RESET_KEEPS)[number];
export const AFTER_RESET = ["reboot", "poweroff"] as const;
export type AfterReset = (typeof AFTER_RESET)[number];

/**
 * `ordered`: recovery wipes and writes; cut anywhere, it begins again. `written`: all of that is done, but the boot record may not say so yet.
 * `ended`: what came of it is for the history.
 */
export const RESET_STAGES = ["ordered", "written", "ended"] as const;
export type ResetStage = (typeof RESET_STAGES)[number];

export interface ResetOrder {
  /** 8 hexadecimal digits. */
  readonly id: string;
  readonly kind: ResetKind;
  readonly at: ResetStage;
  readonly keep: readonly ResetKeep[];
  /** Every byte of what is wiped is overwritten first. */
  readonly erase: boolean;
  readonly after: AfterReset;
  /** Who asked for it, as the end of a sentence. */
  readonly cause: string;
  /** Seconds since 1970. */
  readonly askedAt: number;
  /** What ran then. */
  readonly from: { readonly slot: BootTarget; readonly version: string };
  /** Boots of a slot that have found it, and asked for recovery once more. */
  readonly attempts: number;
  /** Seconds since 1970; only at `ended`, and `reason` only where it came to nothing. */
  readonly endedAt?: number;
  readonly reason?: string;
}

export type FoundOrder =
  | { readonly is: "none" }
  | { readonly is: "order"; readonly order: ResetOrder }
  /** Of newer software: left alone. */
  | { readonly is: "newer" };

const SIGNATURE = "petrify-reset 1";
const ANY_FORMAT = "petrify-reset [1-9]";
/** All of it lies in the first sector, which disks write as a whole or not at all. */
const ROOM = 512 - `${SIGNATURE} 00000 00000000\n`.length;
const MAX_WORDS = 60;

/** {@link RESET_ORDER_SIZE} bytes, all that counts in the first 512. Long texts are cut. */
export function encodeResetOrder(order: ResetOrder): Uint8Array {
  const { cause, from, reason, ...rest } = order;
  const shorter = {
    ...rest,
    cause: plain(cause, MAX_WORDS),
    from: { slot: from.slot, version: plain(from.version, MAX_WORDS) },
    ...(reason === undefined ? {} : { reason: plain(reason, 2 * MAX_WORDS) }),
  };
  const text = `1 ${JSON.stringify(shorter)}\n`;
  if (text.length > ROOM) throw new Error(`reset order: ${text.length} characters`);
  return encodeCheckedText(SIGNATURE, text);
}

/** What a block that holds no order has. */
export const noResetOrder = (): Uint8Array => new Uint8Array(RESET_ORDER_SIZE);

/** Never throws: whatever is not certainly an order is none. */
export function decodeResetOrder(block: Uint8Array): FoundOrder {
  const text = decodeCheckedText(SIGNATURE, block, ANY_FORMAT);
  // Said twice, the second time under the checksum: a flipped bit must not look like newer software.
  const match = /^([1-9]) ([^]*)$/.exec(text ?? "");
  if (!match || match[1] !== String.fromCharCode(block[SIGNATURE.length - 1]!)) return { is: "none" };
  if (match[1] !== "1") return { is: "newer" };
  const order = orderOf(match[2]!);
  return order ? { is: "order", order } : { is: "none" };
}

/** Whether recovery has work to do: what is to be wiped is not mounted then. */
export const isResetPending = (found: FoundOrder): boolean => found.is === "order" && found.order.at !== "ended";

function orderOf(json: string): ResetOrder | undefined {
  const { id, kind, at, keep, erase, after, cause, askedAt, from, attempts, endedAt, reason } = parseObject(json);
  const { slot, version } = typeof from === "object" && from !== null ? (from as Fields) : {};
  const what = RESET_KINDS.find((one) => one === kind);
  const stage = RESET_STAGES.find((one) => one === at);
  const then = AFTER_RESET.find((one) => one === after);
  const target = BOOT_TARGETS.find((one) => one === slot);
  const isWhole =
    typeof id === "string" &&
    /^[0-9a-f]{8}$/.test(id) &&
    Array.isArray(keep) &&
    keep.every((one) => RESET_KEEPS.some((known) => known === one)) &&
    typeof erase === "boolean" &&
    typeof cause === "string" &&
    typeof version === "string" &&
    isCount(askedAt) &&
    isCount(attempts) &&
    (endedAt === undefined || isCount(endedAt)) &&
    (reason === undefined || typeof reason === "string");
  if (!isWhole || !what || !stage || !then || !target) return undefined;
  return {
    ...{
      id,
      kind: what,
      at: stage,
      keep: RESET_KEEPS.filter((one) => keep.includes(one)),
      erase,
      after: then,
      cause,
      askedAt,
      attempts,
    },
    from: { slot: target, version },
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(reason === undefined ? {} : { reason }),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function parseObject(json: string): Fields {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? (value as Fields) : {};
  } catch {
    return {};
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Printable ASCII, and nothing that JSON would make longer. */
const plain = (text: string, room: number): string => text.replaceAll(/[^\u0020-\u007e]+|["\\]/g, " ").slice(0, room);
