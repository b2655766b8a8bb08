import { dlopen } from "node:ffi";

/** Whether it was sent: not where nobody listens. Never throws. */
export type SendDatagram = (data: Uint8Array) => boolean;

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;
const MAX_PATH = 108;

/**
 * Node has no datagrams on Unix sockets, so libc's are called.
 *
 * @param address a leading `@` stands for the abstract namespace
 * @param waits while the other side takes nothing; otherwise what it does not take at once is not sent
 * @returns nothing for an address that is none
 */
export function openDatagrams(address: string, { waits }: { readonly waits: boolean }): SendDatagram | undefined {
  if (!/^[@/]/.test(address) || address.length >= MAX_PATH) return undefined;
  const { functions } = dlopen("libc.so.6", {
    socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
    sendto: { arguments: ["i32", "buffer", "u64", "i32", "buffer", "u32"], return: "i64" },
  });
  const socket = functions.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  const path = Buffer.from(address);
  if (path[0] === 0x40) path[0] = 0;
  const name = Buffer.concat([Buffer.from(Uint16Array.of(AF_UNIX).buffer), path]);
  const flags = MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT);
  return (data) => functions.sendto(socket, data, BigInt(data.length), flags, name, name.length) === BigInt(data.length);
}
