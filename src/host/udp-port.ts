import { createSocket } from "node:dgram";
import { once } from "node:events";

/** Whether nobody on this machine listens there: programs that share a port when both want to would not find out. */
export async function isUdpPortFree(address: string, port: number): Promise<boolean> {
  const socket = createSocket("udp4");
  try {
    const bound = once(socket, "listening");
    socket.bind(port, address);
    await bound;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  } finally {
    socket.close();
  }
}
