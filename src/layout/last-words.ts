/** @portable What a failing boot leaves in the record partition: why, and the end of the kernel's log. docs/formats/last-words.md */
import type { Bytes } from "../core/units.ts";
import { crc32 } from "./crc32.ts";
import { latin1Bytes, latin1Text } from "./env-block.ts";
import { LAST_WORDS_SIZE } from "./record.ts";

export interface LastWords {
  /** What was to be booted; absent when the command line did not say. */
  readonly slot?: string;
  /** One sentence. */
  readonly reason: string;
  /** The kernel's log, whose end is kept. */
  readonly log: string;
}

const SIGNATURE = "petrify-last-words 1";
/** `SIGNATURE LENGTH CRC32\n`, with fixed widths. */
const HEADER_SIZE: Bytes = `${SIGNATURE} 00000 00000000\n`.length;

/** At most {@link LAST_WORDS_SIZE} bytes, a multiple of 4096 so that every disk writes them; Latin-1, other characters as `?`. */
export function encodeLastWords({ slot, reason, log }: LastWords): Uint8Array {
  const head = `slot: ${slot ?? "unknown"}\nreason: ${oneLine(reason)}\n\n`;
  const room = LAST_WORDS_SIZE - HEADER_SIZE - head.length;
  const text = (head + (log.length > room ? log.slice(log.length - room) : log)).replaceAll(/[^\n\t\u0020-\u00ff]/g, "?");
  const body = latin1Bytes(text);
  const header = `${SIGNATURE} ${String(body.length).padStart(5, "0")} ${crc32(body).toString(16).padStart(8, "0")}\n`;
  const bytes = new Uint8Array(Math.ceil((HEADER_SIZE + body.length) / 4096) * 4096);
  bytes.set(latin1Bytes(header));
  bytes.set(body, HEADER_SIZE);
  return bytes;
}

/** `undefined` where nothing was left, or not whole. Never throws. */
export function decodeLastWords(bytes: Uint8Array): LastWords | undefined {
  const header = new RegExp(`^${SIGNATURE} (\\d{5}) ([0-9a-f]{8})\n$`).exec(latin1Text(bytes.subarray(0, HEADER_SIZE)));
  if (!header) return undefined;
  const body = bytes.subarray(HEADER_SIZE, HEADER_SIZE + Number(header[1]));
  if (body.length !== Number(header[1]) || crc32(body) !== Number.parseInt(header[2]!, 16)) return undefined;
  const match = /^slot: (\S+)\nreason: (.*)\n\n([^]*)$/.exec(latin1Text(body));
  if (!match) return undefined;
  const [, slot, reason, log] = match;
  return { ...(slot === "unknown" ? {} : { slot: slot! }), reason: reason!, log: log! };
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").slice(0, 1000);
