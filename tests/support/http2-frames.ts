/** HTTP/2 by hand, for what no library would send. Source: RFC 9113, sections 4 and 6; RFC 7541, sections 5 and 6.2.2 */
import type { TLSSocket } from "node:tls";

export const FRAME = {
  ...{ data: 0, headers: 1, priority: 2, reset: 3, settings: 4, pushPromise: 5, ping: 6, goaway: 7, windowUpdate: 8 },
  continuation: 9,
} as const;
export const FLAG = { none: 0, endStream: 1, endHeaders: 4 } as const;
/** Of a client's. */
export const SETTING = { headerTableSize: 1, initialWindowSize: 4 } as const;
export const LARGEST_WINDOW = 2 ** 31 - 1;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

type Setting = readonly [name: number, value: number];
export const settings = (...values: readonly Setting[]): Buffer =>
  frame(FRAME.settings, FLAG.none, 0, Buffer.concat(values.map(([name, value]) => Buffer.concat([u16(name), u32(value)]))));
export const windowUpdate = (stream: number, by: number): Buffer => frame(FRAME.windowUpdate, FLAG.none, stream, u32(by));
export const reset = (stream: number, code: number): Buffer => frame(FRAME.reset, FLAG.none, stream, u32(code));

/** What a client begins with. */
export const hello = (...values: readonly Setting[]): Buffer =>
  Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1"), settings(...values)]);

/** A block of header fields, each a literal that no table keeps. */
export const fields = (list: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(Object.entries(list).map(([name, value]) => Buffer.concat([Buffer.of(0), text(name), text(value)])));

/** A call of the contract, in JSON. */
export const callFields = (path: string, more: Readonly<Record<string, string>> = {}): Buffer =>
  fields({
    ...{ ":method": "POST", ":scheme": "https", ":authority": "x", ":path": path },
    ...{ "content-type": "application/json", ...more },
  });
/** A whole call. @param stream odd, and larger than those before it */
export const call = (stream: number, path: string, body = "{}", more: Readonly<Record<string, string>> = {}): Buffer =>
  Buffer.concat([
    frame(FRAME.headers, FLAG.endHeaders, stream, callFields(path, more)),
    frame(FRAME.data, FLAG.endStream, stream, Buffer.from(body)),
  ]);

export type Flooded = "closed" | "waits" | "sent";

/**
 * Writes pieces for as long as they are taken.
 *
 * @param most pieces
 * @param waits how long the other side may take nothing; milliseconds
 * @returns whether the other side has ended the connection, takes nothing any more, or has taken all
 */
export async function flood(
  socket: TLSSocket,
  piece: (index: number) => Uint8Array,
  most: number,
  waits = 30_000,
): Promise<Flooded> {
  const closed = new Promise<"closed">((resolve) => socket.once("close", () => resolve("closed")));
  for (let index = 0; index < most && !socket.destroyed; index++) {
    if (socket.write(piece(index))) continue;
    const { promise, resolve } = Promise.withResolvers<"drained">();
    const drained = (): void => resolve("drained");
    socket.once("drain", drained);
    const { promise: late, resolve: giveUp } = Promise.withResolvers<"waits">();
    const timer = setTimeout(() => giveUp("waits"), waits);
    const what = await Promise.race([promise, closed, late]);
    clearTimeout(timer);
    socket.off("drain", drained);
    if (what !== "drained") return what;
  }
  return socket.destroyed ? "closed" : "sent";
}

const u16 = (value: number): Buffer => Buffer.of(value >> 8, value & 255);
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

/** A string literal without Huffman's code. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([length(bytes.length), bytes]);
}

/** An integer with a prefix of seven bits. */
function length(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
