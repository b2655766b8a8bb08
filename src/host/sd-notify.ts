import { openDatagrams } from "./unix-datagrams.ts";

/** Tells the service manager how the service does: lines such as `READY=1`. Never throws, and does nothing where nobody listens. */
export type Notify = (message: string) => void;

/**
 * @param address value of `NOTIFY_SOCKET`; a leading `@` stands for the abstract namespace
 * @see {@link https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html}
 */
export function serviceNotifier(address: string | undefined): Notify {
  const send = address === undefined ? undefined : openDatagrams(address, { waits: true });
  return (message) => void send?.(Buffer.from(message));
}
