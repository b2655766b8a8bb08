/** Lets callers reach other machines through this one, which sees nothing of what they say to each other. docs/concepts/api.md */
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { ForwardingService, type ForwardRequest } from "../../protocol/petrify/v1/forwarding_pb.ts";
import { CALLER } from "./authorize.ts";

/** @throws AppError `NODE_UNREACHABLE` */
export type Dial = (target: { readonly host: string; readonly port: number }, signal: AbortSignal) => Promise<Duplex>;

export function registerForwarding(router: ConnectRouter, dial: Dial, log: (line: string) => void): void {
  router.service(ForwardingService, {
    async *forward(requests, { signal, values }) {
      const parts = requests[Symbol.asyncIterator]();
      const first = await parts.next();
      if (first.done || first.value.part.case !== "target")
        throw new ConnectError("the first message has to name a machine", Code.InvalidArgument);
      const { host, port } = first.value.part.value;
      const connection = await dial({ host, port }, signal);
      connection.on("error", () => {}); // its end says enough
      log(`${values.get(CALLER)?.name ?? "somebody"} reaches ${host}:${port} through this machine`);
      signal.addEventListener("abort", () => connection.destroy(), { once: true });
      try {
        yield {};
        void send(parts, connection).catch(() => connection.destroy());
        yield* received(connection);
      } finally {
        connection.destroy();
      }
    },
  });
}

async function send(parts: AsyncIterator<ForwardRequest>, to: Duplex): Promise<void> {
  for (let next = await parts.next(); !next.done; next = await parts.next()) {
    const { part } = next.value;
    if (part.case !== "data") throw new ConnectError("only the first message names a machine", Code.InvalidArgument);
    if (!to.write(part.value)) await Promise.race([once(to, "drain"), once(to, "close")]);
  }
  to.end();
}

/** Until it ends. One that breaks off ends, too: those who speak TLS through it know whether that was the end. */
async function* received(from: Duplex): AsyncGenerator<{ readonly data: Uint8Array }> {
  try {
    for await (const data of from) yield { data: data as Uint8Array };
  } catch {}
}
