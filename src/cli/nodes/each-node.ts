/** One call to one machine or to many, at a time. */
import type { Client } from "@connectrpc/connect";
import { contextOf, nodeOf, type NodePlace } from "../../client/contexts.ts";
import { errorDocument, type ErrorDocument } from "../../core/error.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import type { NodeService } from "../../protocol/petrify/v1/node_pb.ts";
import { turnstile } from "../../registry/at-once.ts";
import { readContexts } from "../contexts/context-file.ts";
import type { CliContext } from "../context.ts";
import { UsageError } from "../output.ts";
import { credentialsOf } from "./credentials.ts";
import type { NodeOptions } from "./options.ts";

/** What one machine has answered. */
export interface Answered<T> {
  readonly node: string;
  readonly value: T;
}
export type NodeAnswer<T> = Answered<T> | { readonly node: string; readonly error: ErrorDocument };

/** Each is a handshake that takes the CPU. */
const AT_ONCE = 64;
const FAILED = 1;

/**
 * Asks each machine. What one of several fails with is part of the answer, and of the exit code.
 *
 * @throws AppError what the only machine has failed with; `NO_CONTEXT`, `ADDRESS_INVALID`, and of the certificate, before anybody is asked
 */
export async function eachNode<T>(
  context: CliContext,
  { context: named }: NodeOptions,
  ask: (client: Client<typeof NodeService>, call: { readonly signal: AbortSignal; readonly timeoutMs: number }) => Promise<T>,
): Promise<readonly NodeAnswer<T>[]> {
  if (context.nodes.length === 0)
    throw new UsageError("USAGE", "name a machine: -n NAME", { hint: "petrify -n edge-7,edge-8 status" });
  const [inUse, found] = contextOf(await readContexts(context), named);
  const places = context.nodes.map((name) => nodeOf(found, name));
  const credentials = await credentialsOf(inUse, found, context, secondsNow());
  // What it imports is for calls alone: other commands start without it.
  const { callError, openNode, unary } = await import("../../client/open-node.ts");
  const { signal } = context;
  const one = async (place: NodePlace): Promise<T> => {
    const warn = (why: string): void => context.sinks.err(`warning: ${place.name}: ${why}; its key is the pinned one\n`);
    await using connection = await openNode(place, credentials, warn, signal);
    try {
      return await ask(connection.node, unary(signal));
    } catch (error) {
      signal.throwIfAborted();
      throw callError(place.name, error);
    }
  };
  if (places.length === 1) return [{ node: places[0]!.name, value: await one(places[0]!) }];
  const enter = turnstile(AT_ONCE);
  const answers = await Promise.all(
    places.map(async (place): Promise<NodeAnswer<T>> => {
      try {
        return { node: place.name, value: await enter(async () => await one(place)) };
      } catch (error) {
        signal.throwIfAborted();
        return { node: place.name, error: errorDocument(error) };
      }
    }),
  );
  if (answers.some((answer) => "error" in answer)) context.endWith(FAILED);
  return answers;
}

/** With `--json` each answer as the contract has it; else a table, and below it a line for each machine that has not answered. */
export function showAnswers<T>(
  { output }: Pick<CliContext, "output">,
  answers: readonly NodeAnswer<T>[],
  json: (value: T) => unknown,
  table: (rows: readonly Answered<T>[]) => string,
): void {
  const good = answers.filter((answer): answer is Answered<T> => "value" in answer);
  const bad = answers.flatMap((answer) => ("error" in answer ? [`${answer.node}: ${answer.error.message}`] : []));
  output.result(
    { nodes: answers.map((answer) => ("value" in answer ? { node: answer.node, value: json(answer.value) } : answer)) },
    [...(good.length > 0 ? [table(good)] : []), ...bad].join("\n"),
  );
}
