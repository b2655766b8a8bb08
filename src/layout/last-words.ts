/** @portable What a failing boot leaves in the record partition: why, and the end of the kernel's log. docs/formats/last-words.md */
import { checkedHeaderSize, decodeCheckedText, encodeCheckedText } from "./checked-text.ts";
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

/** At most {@link LAST_WORDS_SIZE} bytes, a multiple of 4096 so that every disk writes them; Latin-1, other characters as `?`. */
export function encodeLastWords({ slot, reason, log }: LastWords): Uint8Array {
  const head = `slot: ${slot ?? "unknown"}\nreason: ${oneLine(reason)}\n\n`;
  const room = LAST_WORDS_SIZE - checkedHeaderSize(SIGNATURE) - head.length;
  const text = head + (log.length > room ? log.slice(log.length - room) : log);
  return encodeCheckedText(SIGNATURE, text.replaceAll(/[^\n\t\u0020-\u00ff]/g, "?"));
}

/** `undefined` where nothing was left, or not whole. Never throws. */
export function decodeLastWords(bytes: Uint8Array): LastWords | undefined {
  const match = /^slot: (\S+)\nreason: (.*)\n\n([^]*)$/.exec(decodeCheckedText(SIGNATURE, bytes) ?? "");
  if (!match) return undefined;
  const [, slot, reason, log] = match;
  return { ...(slot === "unknown" ? {} : { slot: slot! }), reason: reason!, log: log! };
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").slice(0, 1000);
