/** Turns that all processes of this machine take together: some at a time, while the others wait. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { availableParallelism } from "node:os";

/**
 * Waits for one of the places of that name, and has it until the scope ends.
 *
 * A place is an abstract socket: its name belongs to the process that listens on it, and the kernel gives it back when that process
 * ends, however it ends. Who waits is connected to those who have a place, and so hears of their end. unix(7), "Abstract sockets"
 */
export async function takeTurn(name: string, places: number): Promise<AsyncDisposable> {
  const names = Array.from({ length: places }, (_, place) => `\0petrify-test ${name} ${place}`);
  for (;;) {
    for (const path of names) {
      const taken = await take(path);
      if (taken) return taken;
    }
    await anyIsFree(names);
  }
}

/** A turn of what keeps a core busy, a virtual machine or a build: as many at once as there are cores. */
export const takeCore = async (): Promise<AsyncDisposable> => await takeTurn("core", availableParallelism());

async function take(path: string): Promise<AsyncDisposable | undefined> {
  const waiting = new Set<Socket>();
  const server: Server = createServer((socket) => {
    waiting.add(socket);
    socket.on("error", () => {}).once("close", () => waiting.delete(socket));
  });
  try {
    await once(server.listen(path), "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
    throw error;
  }
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close(); // the name is free from here on
      for (const socket of waiting) socket.destroy();
      await closed;
    },
  };
}

async function anyIsFree(names: readonly string[]): Promise<void> {
  const sockets = names.map((path) => connect(path));
  try {
    // An error is as good a sign: nobody listens any more.
    await Promise.race(
      sockets.map(async (socket) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        socket.on("error", () => {}).once("close", resolve);
        socket.resume();
        await promise;
      }),
    );
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}
