/** Machines that are reached through another one. docs/concepts/api.md */
import { duplexPair, pipeline, type Duplex } from "node:stream";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { AppError } from "../core/error.ts";
import { ForwardingService, type ForwardRequestSchema, type ForwardResponse } from "../protocol/petrify/v1/forwarding_pb.ts";
import type { TlsTarget } from "../host/tls-client.ts";
import { callError, type NodeConnection } from "./open-node.ts";

/** Until the endpoint has reached the machine: it may have to start what does, which then tries for a while of its own; milliseconds. */
const REACH_MS = 60_000;

/**
 * A connection to the API of a machine, of which the endpoint sees what anybody on the way would.
 *
 * @param name of the endpoint, as the caller knows it
 * @throws AppError what the endpoint says of a machine that it does not reach; `NODE_SILENT` where it says nothing
 */
export async function forwardThrough(
  { client }: Pick<NodeConnection, "client">,
  name: string,
  { host, port }: TlsTarget,
  signal: AbortSignal,
  reachMs = REACH_MS,
): Promise<Duplex> {
  const [connection, other] = duplexPair();
  const over = new AbortController();
  connection.once("end", () => connection.destroy());
  connection.once("close", () => over.abort());
  const requests = async function* (): AsyncGenerator<MessageInitShape<typeof ForwardRequestSchema>> {
    yield { part: { case: "target", value: { host, port } } };
    for await (const value of other) yield { part: { case: "data", value: value as Uint8Array } };
  };
  const both = AbortSignal.any([signal, over.signal]);
  const silent = new AppError("NODE_SILENT", `${name} does not say whether it reaches ${host}`, {
    hint: "Try again: the machine may be busy.",
  });
  const timer = setTimeout(() => over.abort(silent), reachMs);
  const answers = client(ForwardingService).forward(requests(), { signal: both })[Symbol.asyncIterator]();
  try {
    await answers.next();
  } catch (error) {
    connection.destroy();
    signal.throwIfAborted();
    throw over.signal.reason === silent ? silent : callError(name, error);
  } finally {
    clearTimeout(timer);
  }
  // What has been cut off is at an end, whatever the reason.
  pipeline(dataOf(answers), other, (error) => void (error && connection.destroy()));
  return connection;
}

async function* dataOf(answers: AsyncIterator<ForwardResponse>): AsyncGenerator<Uint8Array> {
  for (let next = await answers.next(); !next.done; next = await answers.next()) yield next.value.data;
}
