/**
 * A network block device on a unix socket. Source: the NBD protocol, doc/proto.md: fixed newstyle negotiation, simple replies.
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Bytes } from "../../src/core/units.ts";

/** What is behind the server. Requests that are under way at the same time may be answered in any order. */
export interface BlockDevice {
  readonly size: Bytes;
  read(offset: Bytes, length: Bytes): Promise<Uint8Array>;
  /** @param fua on stable storage when it returns */
  write(offset: Bytes, data: Uint8Array, fua: boolean): Promise<void>;
  /** Zeros; of a discard as well, which may leave anything. */
  zero(offset: Bytes, length: Bytes, what: "zeroes" | "discard", fua: boolean): Promise<void>;
  /** What was answered before this was asked is on stable storage when it returns. */
  flush(): Promise<void>;
}

const INIT_MAGIC = 0x4e42444d41474943n; // NBDMAGIC
const OPTION_MAGIC = 0x49484156454f5054n; // IHAVEOPT
const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;
const REQUEST_MAGIC = 0x25609513;
const REPLY_MAGIC = 0x67446698;
const HANDSHAKE = { fixedNewstyle: 1, noZeroes: 2 } as const;
const OPTION = { abort: 2, info: 6, go: 7 } as const;
const REPLY = { ack: 1, info: 3, unsupported: 0x80000001 } as const;
const INFO = { export: 0, blockSize: 3 } as const;
const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, zero: 6 } as const;
const FUA = 1;
/** Has flags; flush, FUA, trim and write-zeroes may be sent. */
const TRANSMISSION_FLAGS = 1 | 4 | 8 | 32 | 64;
const ERROR = { io: 5, invalid: 22 } as const;
const BLOCK_SIZES = { least: 512, preferred: 4096, most: 32 * 1024 * 1024 } as const;

/** Serves until the scope ends, to one client after the other or to several at once. */
export async function serveNbd(path: string, device: BlockDevice): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // the client's end says more
    socket.on("close", () => sockets.delete(socket));
    void talk(socket, device).catch((error: unknown) => socket.destroy(error as Error));
  });
  server.listen(path);
  await once(server, "listening");
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

async function talk(socket: Socket, device: BlockDevice): Promise<void> {
  const read = byteReader(socket);
  if (await negotiate(socket, read, device.size)) await transmit(socket, read, device);
  socket.end();
}

/** @returns false when the client has gone */
async function negotiate(socket: Socket, read: Reader, size: Bytes): Promise<boolean> {
  const hello = Buffer.alloc(18);
  hello.writeBigUInt64BE(INIT_MAGIC, 0);
  hello.writeBigUInt64BE(OPTION_MAGIC, 8);
  hello.writeUInt16BE(HANDSHAKE.fixedNewstyle | HANDSHAKE.noZeroes, 16);
  socket.write(hello);
  if (!(await read(4))) return false; // the client's flags
  for (;;) {
    const head = await read(16);
    if (!head) return false;
    if (head.readBigUInt64BE(0) !== OPTION_MAGIC) throw new Error("NBD: not an option");
    const option = head.readUInt32BE(8);
    const length = head.readUInt32BE(12);
    if (length > 0 && !(await read(length))) return false;
    const reply = (type: number, data: Uint8Array = new Uint8Array()): void => {
      const answer = Buffer.alloc(20);
      answer.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
      answer.writeUInt32BE(option, 8);
      answer.writeUInt32BE(type, 12);
      answer.writeUInt32BE(data.length, 16);
      socket.write(Buffer.concat([answer, data]));
    };
    if (option === OPTION.abort) {
      reply(REPLY.ack);
      return false;
    }
    if (option !== OPTION.go && option !== OPTION.info) {
      reply(REPLY.unsupported);
      continue;
    }
    reply(REPLY.info, exportInfo(size));
    reply(REPLY.info, blockSizeInfo());
    reply(REPLY.ack);
    if (option === OPTION.go) return true;
  }
}

function exportInfo(size: Bytes): Buffer {
  const info = Buffer.alloc(12);
  info.writeUInt16BE(INFO.export, 0);
  info.writeBigUInt64BE(BigInt(size), 2);
  info.writeUInt16BE(TRANSMISSION_FLAGS, 10);
  return info;
}

function blockSizeInfo(): Buffer {
  const info = Buffer.alloc(14);
  info.writeUInt16BE(INFO.blockSize, 0);
  info.writeUInt32BE(BLOCK_SIZES.least, 2);
  info.writeUInt32BE(BLOCK_SIZES.preferred, 6);
  info.writeUInt32BE(BLOCK_SIZES.most, 10);
  return info;
}

async function transmit(socket: Socket, read: Reader, device: BlockDevice): Promise<void> {
  for (;;) {
    const head = await read(28);
    if (!head) return;
    if (head.readUInt32BE(0) !== REQUEST_MAGIC) throw new Error("NBD: not a request");
    const fua = (head.readUInt16BE(4) & FUA) !== 0;
    const command = head.readUInt16BE(6);
    const cookie = head.readBigUInt64BE(8);
    const offset = Number(head.readBigUInt64BE(16));
    const length = head.readUInt32BE(24);
    if (command === COMMAND.disconnect) return;
    const data = command === COMMAND.write ? await read(length) : undefined;
    if (command === COMMAND.write && !data) return;
    const reply = (error: number, answer: Uint8Array = new Uint8Array()): void => {
      const bytes = Buffer.alloc(16);
      bytes.writeUInt32BE(REPLY_MAGIC, 0);
      bytes.writeUInt32BE(error, 4);
      bytes.writeBigUInt64BE(cookie, 8);
      if (!socket.destroyed) socket.write(Buffer.concat([bytes, answer]));
    };
    if (offset + length > device.size) {
      reply(ERROR.invalid);
      continue;
    }
    // Not waited for: the next request may come before this one is done.
    void carryOut(device, { command, offset, length, data, fua }).then(
      (answer) => (answer ? reply(0, answer) : reply(ERROR.invalid)),
      () => reply(ERROR.io),
    );
  }
}

interface Request {
  readonly command: number;
  readonly offset: Bytes;
  readonly length: Bytes;
  readonly data: Uint8Array | undefined;
  readonly fua: boolean;
}

/** @returns what is answered; `undefined` for a command that is not known */
async function carryOut(device: BlockDevice, { command, offset, length, data, fua }: Request): Promise<Uint8Array | undefined> {
  const nothing = new Uint8Array();
  switch (command) {
    case COMMAND.read:
      return await device.read(offset, length);
    case COMMAND.write:
      await device.write(offset, data!, fua);
      return nothing;
    case COMMAND.flush:
      await device.flush();
      return nothing;
    case COMMAND.trim:
      await device.zero(offset, length, "discard", fua);
      return nothing;
    case COMMAND.zero:
      await device.zero(offset, length, "zeroes", fua);
      return nothing;
    default:
      return undefined;
  }
}

/** Exactly so many bytes, once they are there; `undefined` when the stream has ended. */
type Reader = (length: Bytes) => Promise<Buffer | undefined>;

function byteReader(socket: Socket): Reader {
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let held: Buffer[] = [];
  let size = 0;
  return async (length) => {
    while (size < length) {
      const { value, done } = await chunks.next().catch(() => ({ value: undefined, done: true }) as const);
      if (done || !value) return undefined;
      held.push(value);
      size += value.length;
    }
    const all = held.length === 1 ? held[0]! : Buffer.concat(held);
    held = all.length > length ? [all.subarray(length)] : [];
    size = all.length - length;
    return all.subarray(0, length);
  };
}
