import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";

/** One end of a stream of text between two processes. */
export interface TextStream extends AsyncDisposable {
  send(text: string): void;
  onText(listener: (text: string) => void): void;
  /** When the other end, or this one, has closed. */
  readonly closed: Promise<void>;
}

/** Somebody who does not read what is sent to it is left behind after so many bytes. */
const MAX_UNREAD = 4 * 1024 ** 2;

/** Takes whoever connects to a socket that only its owner may connect to; what lies in its place is replaced. */
export async function serveStreams(path: string, onStream: (stream: TextStream) => void): Promise<AsyncDisposable> {
  await rm(path, { force: true });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    onStream(streamOf(socket));
  });
  await once(server.listen(path), "listening");
  await chmod(path, 0o600);
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.end(() => socket.destroy());
      await closed;
    },
  };
}

/** @returns nothing when nobody listens there */
export async function connectStream(path: string): Promise<TextStream | undefined> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return streamOf(socket);
  } catch (error) {
    if (["ENOENT", "ECONNREFUSED"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function streamOf(socket: Socket): TextStream {
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.setEncoding("utf8").on("error", () => {}); // its end says enough
  socket.on("end", () => socket.end());
  return {
    closed,
    send: (text) => {
      if (!socket.writable) return;
      socket.write(text);
      if (socket.writableLength > MAX_UNREAD) socket.destroy();
    },
    onText: (listener) => void socket.on("data", listener),
    [Symbol.asyncDispose]: async () => {
      socket.destroy();
      await closed;
    },
  };
}
