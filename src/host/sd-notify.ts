import { dlopen } from "node:ffi";

/** Tells the service manager how the service does: lines such as `READY=1`. Never throws, and does nothing where nobody listens. */
export type Notify = (message: string) => void;

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const MAX_PATH = 108;

/**
 * Node has no datagrams on Unix sockets, so libc's are called.
 *
 * @param address value of `NOTIFY_SOCKET`; a leading `@` stands for the abstract namespace
 * @see {@link https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html}
 */
export function serviceNotifier(address: string | undefined): Notify {
  if (!address || !/^[@/]/.test(address) || address.length >= MAX_PATH) return () => {};
  const { functions } = dlopen("libc.so.6", {
    socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
    sendto: { arguments: ["i32", "buffer", "u64", "i32", "buffer", "u32"], return: "i64" },
  });
  const socket = functions.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  const path = Buffer.from(address);
  if (path[0] === 0x40) path[0] = 0;
  const name = Buffer.concat([Buffer.from(Uint16Array.of(AF_UNIX).buffer), path]);
  return (message) => {
    const data = Buffer.from(message);
    functions.sendto(socket, data, BigInt(data.length), MSG_NOSIGNAL, name, name.length);
  };
}
