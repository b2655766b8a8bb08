/**
 * A disk that keeps a log of what reaches it, in the order in which a power cut would know it.
 *
 * A flush is logged when it is received; a write when it is acknowledged, which is late. So a write that is under way when a flush is issued stands
 * behind that flush, and nobody who did not wait for it can take it for durable.
 */
import type { Bytes } from "../../src/core/units.ts";
import { BLOCK, ZERO } from "./block-map.ts";
import type { BlockDevice } from "./nbd-server.ts";

export type LogEntry =
  | {
      readonly is: "write";
      readonly offset: Bytes;
      readonly data: Uint8Array;
      /** Flushes that had been received before it was: it may be on the disk from then on. */
      readonly received: number;
      readonly fua: boolean;
      /** Leaves anything: kept, zeros or garbage. */
      readonly discard?: true;
    }
  | { readonly is: "flush" }
  /** Something has been said about what was asked of the disk so far. */
  | { readonly is: "mark"; readonly text: string };

/** A disk of zeros and of the blocks that were written; offsets and lengths are whole sectors of 512 bytes. */
export interface Recorder extends BlockDevice {
  readonly log: readonly LogEntry[];
  /** Ends a step of whoever writes: what has returned by now has to be durable. */
  mark(text: string): void;
}

/** What a write waits for before it is acknowledged; every waiting write is released in the order of its receipt. */
export type Delay = () => Promise<void>;

/** Long enough for whoever does not wait to issue the flush that it believes in. */
const ACKNOWLEDGED_AFTER_MS = 15;
export const lately: Delay = async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ACKNOWLEDGED_AFTER_MS);
  await promise;
};

/** @param base what the disk holds at first: `length` bytes from `offset`, fewer where it ends (the rest is zero) */
export function recorder(
  size: Bytes,
  base: (offset: Bytes, length: Bytes) => Uint8Array,
  delay: Delay,
  log: LogEntry[] = [],
): Recorder {
  const written = new Map<number, Uint8Array>();
  let flushes = 0;
  const blockAt = (index: number): Uint8Array => {
    const found = written.get(index);
    if (found) return found;
    const block = new Uint8Array(BLOCK);
    block.set(base(index * BLOCK, Math.min(BLOCK, Math.max(0, size - index * BLOCK))));
    return block;
  };
  const keep = (offset: Bytes, data: Uint8Array): void => {
    for (let at = 0; at < data.length;) {
      const index = Math.floor((offset + at) / BLOCK);
      const from = (offset + at) % BLOCK;
      const length = Math.min(BLOCK - from, data.length - at);
      const part = data.subarray(at, at + length);
      if (length === BLOCK && Buffer.compare(part, ZERO) === 0) {
        written.set(index, ZERO);
      } else {
        const block = blockAt(index).slice();
        block.set(part, from);
        written.set(index, block);
      }
      at += length;
    }
  };
  const write = async (offset: Bytes, data: Uint8Array, fua: boolean, discard = false): Promise<void> => {
    const received = flushes;
    keep(offset, data);
    await delay();
    log.push({ is: "write", offset, data, received, fua, ...(discard ? { discard } : {}) });
  };
  return {
    size,
    log,
    mark: (text) => void log.push({ is: "mark", text }),
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length;) {
        const from = (offset + at) % BLOCK;
        const part = blockAt(Math.floor((offset + at) / BLOCK)).subarray(from, from + length - at);
        bytes.set(part, at);
        at += part.length;
      }
      return await Promise.resolve(bytes);
    },
    write: async (offset, data, fua) => await write(offset, Uint8Array.from(data), fua),
    zero: async (offset, length, what, fua) => await write(offset, new Uint8Array(length), fua, what === "discard"),
    flush: async () => {
      flushes++;
      log.push({ is: "flush" });
      await Promise.resolve();
    },
  };
}

/** A disk beside the recorded one: who writes a text to its first block marks that text in the log. */
export function marker(into: Recorder, heard: (text: string) => void): BlockDevice {
  return {
    size: 1024 * 1024,
    read: async (_, length) => await Promise.resolve(new Uint8Array(length)),
    write: async (offset, data) => {
      const text = Buffer.from(data).toString("utf8").split("\0", 1)[0]!;
      if (offset !== 0 || !text) return;
      into.mark(text);
      heard(text);
      await Promise.resolve();
    },
    zero: async () => {},
    flush: async () => {},
  };
}
