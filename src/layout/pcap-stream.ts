/** @portable A file of packets as it comes, cut where packets end. Source: draft-ietf-opsawg-pcap, sections 4 and 5 */
import { AppError } from "../core/error.ts";

/** Some of a file: put together, all of them are the file. */
export interface PcapPart {
  readonly data: Uint8Array;
  /** That are in it, whole. */
  readonly packets: number;
}

/** The most that programs write of a packet. Source: libpcap, MAXIMUM_SNAPLEN */
export const MOST_OF_A_PACKET = 262_144;
const HEADER_BYTES = 24;
const RECORD_BYTES = 16;
/** With microseconds, with nanoseconds. */
const MAGICS: ReadonlySet<number> = new Set([0xa1b2c3d4, 0xa1b23c4d]);

/**
 * Takes bytes as they come; returns those up to the end of the last packet that is whole, with the file's header in the first. What a program has not written
 * to its end is never returned.
 *
 * @throws AppError `CAPTURE_FAILED` for what is no such file
 */
export function pcapParts(): (bytes: Uint8Array) => PcapPart {
  let rest: Uint8Array = new Uint8Array(0);
  let isLittle: boolean | undefined;
  return (bytes) => {
    const data = joined(rest, bytes);
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const begin = isLittle === undefined ? HEADER_BYTES : 0;
    if (data.length < begin) {
      rest = data;
      return { data: new Uint8Array(0), packets: 0 };
    }
    const order = (isLittle ??= orderOf(view));
    let [end, packets] = [begin, 0];
    while (end + RECORD_BYTES <= data.length) {
      const size = view.getUint32(end + 8, order);
      if (size > MOST_OF_A_PACKET) throw new AppError("CAPTURE_FAILED", `a packet of ${size} bytes was captured`);
      if (end + RECORD_BYTES + size > data.length) break;
      end += RECORD_BYTES + size;
      packets++;
    }
    rest = data.slice(end);
    return { data: data.subarray(0, end), packets };
  };
}

/** @returns whether the least significant byte of a number comes first */
function orderOf(header: DataView): boolean {
  if (MAGICS.has(header.getUint32(0, true))) return true;
  if (MAGICS.has(header.getUint32(0))) return false;
  throw new AppError("CAPTURE_FAILED", "what was captured is no file of packets");
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  if (one.length === 0) return other;
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
