/** Passes connections on, for a program that has no network of its own: HTTP's CONNECT on a Unix socket. Source: RFC 9110, section 9.3.6 */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { BlockList, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { isBearer } from "./unix-http.ts";

export interface ForwarderOptions {
  /** A socket that listens: open already, as systemd hands it over, or a path. */
  readonly at: { readonly fd: number } | { readonly path: string };
  /** Of whoever may ask. */
  readonly token: string;
  /** The only port that is connected to. */
  readonly port: number;
  /** Whether something at an address is to be connected to. */
  readonly reaches: (address: string, family: 4 | 6) => boolean;
  readonly limits?: Partial<typeof LIMITS>;
  /** Once nothing has been passed on for so many milliseconds. */
  readonly idle?: { readonly ms: number; readonly end: () => void };
}

/** Documented in docs/concepts/api.md. Milliseconds. */
const LIMITS: { readonly connections: number; readonly connectMs: number } = { connections: 64, connectMs: 10_000 };

/** Of an answer that is no connection: why, the end of a sentence. */
export const REASON_HEADER = "reason";

const OWN = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["224.0.0.0", 4],
  ["255.255.255.255", 32],
] as const)
  OWN.addSubnet(network, bits, "ipv4");
for (const [network, bits] of [
  ["::", 127], // nobody's address, and one's own
  ["fe80::", 10],
  ["ff00::", 8],
] as const)
  OWN.addSubnet(network, bits, "ipv6");

/**
 * Whether an address can be another machine's: not this machine's own, nobody's and not everybody's, and none that is good on one link alone, where clouds have
 * what tells a machine its secrets. Source: RFC 6890
 */
export const isElsewhere = (address: string, family: 4 | 6): boolean => !OWN.check(address, family === 4 ? "ipv4" : "ipv6");

export async function serveForwarder(options: ForwarderOptions): Promise<AsyncDisposable> {
  const { at, token, idle } = options;
  const limits = { ...LIMITS, ...options.limits };
  const open = new Set<Duplex>();
  // Only CONNECT is answered.
  const server = createServer((_, response) => void response.writeHead(405).end());
  let timer = idle && setTimeout(idle.end, idle.ms);
  server.on("connect", (request: IncomingMessage, caller: Socket, head: Buffer) => {
    clearTimeout(timer);
    open.add(caller);
    caller.on("error", () => {});
    caller.once("close", () => {
      open.delete(caller);
      if (idle && open.size === 0) timer = setTimeout(idle.end, idle.ms);
    });
    const refuse = (status: number, why: string): void =>
      void caller.end(`HTTP/1.1 ${status} Refused\r\n${REASON_HEADER}: ${encodeURIComponent(why)}\r\n\r\n`, () =>
        caller.destroy(),
      );
    if (!isBearer(request.headers["proxy-authorization"], token)) return refuse(403, "who asks is not known");
    if (open.size > limits.connections) return refuse(503, `it passes on ${limits.connections} connections already`);
    reach(request.url ?? "", options, limits.connectMs).then(
      (target) => join(caller, target, head),
      (error: unknown) => refuse(502, (error as Error).message),
    );
  });
  await once("fd" in at ? server.listen({ fd: at.fd }) : server.listen(at.path), "listening");
  return {
    [Symbol.asyncDispose]: async () => {
      clearTimeout(timer);
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      for (const caller of open) caller.destroy();
      await closed;
    },
  };
}

/** @throws Error whose message is the end of a sentence */
async function reach(target: string, { port, reaches }: ForwarderOptions, ms: number): Promise<Socket> {
  const [, v6, name, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(target) ?? [];
  const host = v6 ?? name;
  if (host === undefined) throw new Error("that is no address");
  if (Number(digits) !== port) throw new Error(`only port ${port} is connected to`);
  const found = await lookup(host, { all: true }).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`its name is not known (${cause.code ?? cause.message})`, { cause });
  });
  // Looked up once: what was looked at is what is connected to.
  const [to] = found.filter(({ address, family }) => reaches(address, family === 4 ? 4 : 6));
  if (!to) throw new Error("its address is not one of another machine");
  const socket = connect({ host: to.address, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(ms) });
    return socket;
  } catch (cause) {
    socket.on("error", () => {}).destroy();
    const { code, name: kind } = cause as NodeJS.ErrnoException;
    throw new Error(kind === "AbortError" ? "it does not answer" : `it does not answer (${code ?? kind})`, { cause });
  }
}

/** Until either has ended: who speaks TLS needs no connection that is open on one side. Each waits for the other to take what it sends. */
function join(caller: Socket, target: Socket, head: Buffer): void {
  if (caller.destroyed) return void target.destroy();
  target.on("error", () => {});
  for (const [from, to] of [
    [caller, target],
    [target, caller],
  ] as const) {
    from.once("end", () => to.destroySoon());
    from.once("close", () => to.destroySoon());
  }
  caller.write("HTTP/1.1 200 Connected\r\n\r\n");
  target.write(head);
  caller.pipe(target, { end: false });
  target.pipe(caller, { end: false });
}
