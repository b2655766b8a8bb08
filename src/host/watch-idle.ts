import type { Server, Socket } from "node:net";

/** Of a program that is started by whoever connects to it. */
export interface Idle {
  readonly ms: number;
  /** Called once nobody has been connected for so long. */
  readonly end: () => void;
}

/** From when it is called until the server is closed. */
export function watchIdle(server: Pick<Server, "on" | "once">, { ms, end }: Idle): void {
  let connected = 0;
  let isClosed = false;
  let timer = setTimeout(end, ms);
  server.on("connection", (socket: Socket) => {
    clearTimeout(timer);
    connected++;
    socket.once("close", () => {
      connected--;
      if (connected > 0 || isClosed) return;
      clearTimeout(timer);
      timer = setTimeout(end, ms);
    });
  });
  // It may come before the end of its last connections.
  server.once("close", () => {
    isClosed = true;
    clearTimeout(timer);
  });
}
