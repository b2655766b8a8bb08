import { request, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { AppError } from "../core/error.ts";
import { REASON_HEADER } from "./forwarder.ts";
import { bearer } from "./unix-http.ts";

/**
 * A connection that a forwarder passes on.
 *
 * @param path of its socket
 * @throws AppError `NODE_UNREACHABLE`; the signal's reason
 */
export async function forwardThrough(
  path: string,
  { host, port }: { readonly host: string; readonly port: number },
  token: string,
  signal: AbortSignal,
): Promise<Duplex> {
  const target = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const headers = { "proxy-authorization": bearer(token) };
  const [answer, connection, head] = await new Promise<[IncomingMessage, Duplex, Buffer]>((resolve, reject) => {
    const call = request({ socketPath: path, method: "CONNECT", path: target, headers, signal });
    call.once("connect", (...connected) => resolve(connected));
    call.once("error", reject);
    call.end();
  }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new AppError("NODE_UNREACHABLE", "this machine reaches no other one", { cause });
  });
  if (answer.statusCode === 200) {
    if (head.length > 0) connection.unshift(head);
    return connection;
  }
  connection.on("error", () => {}).destroy();
  const why = decodeURIComponent(String(answer.headers[REASON_HEADER] ?? "nobody knows why"));
  throw new AppError("NODE_UNREACHABLE", `${target} is not reached from here: ${why}`);
}
