/** Terminals that this process makes, by way of libc: Node has none. Source: pty(7), ioctl_tty(2); numbers are those of x86-64 */
import { dlopen } from "node:ffi";
import { closeSync, constants, openSync, write } from "node:fs";
import { ReadStream } from "node:tty";
import { promisify } from "node:util";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}
/** The end that a terminal's user has. */
export interface Pty extends Disposable {
  /** The other end: for the program whose terminal it is. */
  readonly path: string;
  /** The same, open, to be handed over; closed by {@link Pty.handedOver}. */
  readonly fd: number;
  /** The program has it: once that has closed it too, the output ends. */
  readonly handedOver: () => void;
  /** What the program shows. It waits while nobody takes it. */
  readonly output: AsyncIterable<Uint8Array>;
  /** As typed. Resolves when the terminal has taken it. */
  readonly type: (bytes: Uint8Array) => Promise<void>;
  readonly resize: (size: TerminalSize) => void;
}

const REQUEST = { unlock: 0x40045431n, number: 0x80045430n, resize: 0x5414n } as const;

const writeTo = promisify(write);

/** @throws NodeJS.ErrnoException; Error where the kernel refuses */
export function openPty(size: TerminalSize): Pty {
  const { ioctl } = dlopen("libc.so.6", { ioctl: { arguments: ["i32", "u64", "buffer"], return: "i32" } }).functions;
  const master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY);
  const ask = (request: bigint, data: Uint8Array): void => {
    if (ioctl(master, request, data) !== 0) throw new Error("the kernel refuses a terminal");
  };
  const resize = ({ columns, rows }: TerminalSize): void =>
    ask(REQUEST.resize, new Uint8Array(new Uint16Array([rows, columns, 0, 0]).buffer));
  let fd: number;
  let path: string;
  try {
    ask(REQUEST.unlock, new Uint8Array(4));
    const number = new Uint32Array(1);
    ask(REQUEST.number, new Uint8Array(number.buffer));
    resize(size);
    path = `/dev/pts/${number[0]}`;
    fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  } catch (error) {
    closeSync(master);
    throw error;
  }
  const stream = new ReadStream(master);
  let isOpen = true;
  const handedOver = (): void => {
    if (isOpen) closeSync(fd);
    isOpen = false;
  };
  return {
    ...{ path, fd, handedOver },
    output: shown(stream),
    type: async (bytes) => {
      // Its stream would hold up everybody else while the program reads nothing: this waits elsewhere.
      for (let at = 0; at < bytes.length && !stream.destroyed;) at += (await writeTo(master, bytes, at)).bytesWritten;
    },
    resize: (wanted) => {
      if (!stream.destroyed) resize(wanted);
    },
    [Symbol.dispose]: () => {
      handedOver();
      stream.destroy();
    },
  };
}

/** Linux says EIO once nobody has the other end open: that is its end. */
async function* shown(stream: ReadStream): AsyncGenerator<Uint8Array> {
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EIO") throw error;
  }
}
