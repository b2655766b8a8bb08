/** One call to one machine or to many, at a time. */
import type { Duplex } from "node:stream";
import { contextOf, nodeOf, type Context, type NodePlace } from "../../client/contexts.ts";
import type { NodeConnection } from "../../client/open-node.ts";
import { AppError, errorDocument, type ErrorDocument } from "../../core/error.ts";
import type { TlsCredentials } from "../../host/tls-client.ts";
import { turnstile } from "../../registry/at-once.ts";
import { readContexts } from "../contexts/context-file.ts";
import type { CliContext } from "../context.ts";
import { UsageError } from "../output.ts";
import { credentialsOf } from "./credentials.ts";
import { certificateRenewal } from "./renew.ts";
import { selects, type NodeChoice, type NodeOptions } from "./options.ts";

/** What one machine has answered. */
export interface Answered<T> {
  readonly node: string;
  readonly value: T;
}
export type NodeAnswer<T> = Answered<T> | { readonly node: string; readonly error: ErrorDocument };

/** Of a call that is answered at once. */
interface UnaryCall {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}
/** For what lasts longer than a connection. */
export interface AskedNode {
  /** As the caller knows it. */
  readonly node: string;
  /** Another connection. */
  readonly open: () => Promise<NodeConnection>;
  /** What a call has failed with, as whoever made it can use it. */
  readonly failure: (error: unknown) => unknown;
}

/** Each is a handshake that takes the CPU. */
const AT_ONCE = 64;
/** Each is a call on one connection to the endpoint, which takes 32. */
const AT_ONCE_THROUGH = 24;
const FAILED = 1;

/**
 * Asks each machine. What one of several fails with is part of the answer, and of the exit code.
 *
 * @throws AppError what the only machine has failed with; `TOO_MANY_NODES`, `NO_CONTEXT`, `ADDRESS_INVALID`, and of the certificate, before anybody is asked
 */
export async function eachNode<T>(
  context: CliContext,
  {
    context: named,
    lasting = false,
  }: NodeOptions & { /** Ends when the caller does: nobody waits for a turn. */ readonly lasting?: boolean },
  ask: (connection: NodeConnection, call: UnaryCall, asked: AskedNode) => Promise<T>,
): Promise<readonly NodeAnswer<T>[]> {
  assertChosen(context);
  const [inUse, found] = contextOf(await readContexts(context), named);
  const places = chosenNames(inUse, found, context).map((name) => nodeOf(found, name));
  const { endpoints = [] } = found;
  const atOnce = endpoints.length > 0 ? AT_ONCE_THROUGH : AT_ONCE;
  if (lasting && places.length > atOnce) {
    throw new AppError(
      "TOO_MANY_NODES",
      `${places.length} machines cannot be followed at once: at most ${atOnce}${endpoints.length > 0 ? " through an endpoint" : ""}`,
      {
        hint: "Choose fewer by their names or labels (-l).",
      },
    );
  }
  const own = await credentialsOf(inUse, found, context, context.now());
  // What it imports is for calls alone: other commands start without it.
  const { sharedCredentials } = await import("../../host/tls-client.ts");
  const { callError, nodeClockOf, openNode, unary } = await import("../../client/open-node.ts");
  const { openEndpoints } = await import("../../client/endpoints.ts");
  const { signal } = context;
  const credentials = sharedCredentials(own);
  const renew = await certificateRenewal(found, context);
  /** Once what was asked for is done; that it fails keeps nobody from anything. */
  const renewed = async (place: NodePlace, connection: NodeConnection): Promise<void> => {
    try {
      const until = await renew?.(connection, place, signal);
      if (until === undefined) return;
      context.sinks.err(`${place.name}: it has a new certificate, until ${new Date(until * 1000).toISOString()}\n`);
    } catch (error) {
      signal.throwIfAborted();
      warn(place, `it has no new certificate: ${(callError(place.name, error) as Error).message}`);
    }
  };
  const warn = (place: NodePlace, why: string): void => context.sinks.err(`warning: ${place.name}: ${why}\n`);
  const open = async (place: NodePlace, as: TlsCredentials, through?: Duplex): Promise<NodeConnection> =>
    await openNode(place, as, (why) => warn(place, `${why}; its key is the pinned one`), signal, through);
  await using ways = openEndpoints(
    endpoints.map((name) => nodeOf(found, name)),
    async (endpoint) => await open(endpoint, credentials),
  );
  const asked = async (place: NodePlace, as: TlsCredentials): Promise<T> => {
    const opened = async (): Promise<NodeConnection> => {
      const through = endpoints.length > 0 ? await ways.to(place, signal) : undefined;
      return await open(place, as, through);
    };
    await using connection = await opened();
    const failure = (error: unknown): unknown => callError(place.name, error);
    const value = await ask(connection, unary(signal), { node: place.name, open: opened, failure });
    await renewed(place, connection);
    return value;
  };
  const one = async (place: NodePlace): Promise<T> => {
    try {
      return await asked(place, credentials).catch(async (error: unknown) => {
        // It has done nothing so far.
        const clock = "secrets" in found.credentials ? nodeClockOf(error) : undefined;
        if (clock === undefined) throw error;
        warn(place, `its clock says ${new Date(clock * 1000).toISOString()}; it is called with a certificate of that time`);
        return await asked(place, await credentialsOf(inUse, found, context, clock));
      });
    } catch (error) {
      signal.throwIfAborted();
      throw callError(place.name, error);
    }
  };
  // Who chooses by labels gets the same form of answer however many there are.
  if (context.nodes.length === 1) return [{ node: places[0]!.name, value: await one(places[0]!) }];
  const enter = turnstile(atOnce);
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

function assertChosen({ nodes, selectors, allNodes }: NodeChoice): void {
  if (nodes.length > 0 || selectors.length > 0 || allNodes) return;
  throw new UsageError("USAGE", "say which machines: -n NAME, -l LABEL=VALUE or --all", {
    hint: "petrify -n edge-7,edge-8 status",
  });
}

/** @throws AppError `NO_NODES` where no machine of the context is meant: nothing to do is not what anybody has asked for */
function chosenNames(context: string, { nodes: known }: Context, { nodes, selectors }: NodeChoice): readonly string[] {
  if (nodes.length > 0) return nodes;
  const chosen = Object.entries(known).filter(selects(selectors));
  if (chosen.length > 0) return chosen.map(([name]) => name);
  throw new AppError("NO_NODES", `the context ${context} knows no machine${selectors.length > 0 ? " with these labels" : ""}`, {
    hint: "See `petrify context node list`; `petrify context node add` adds one.",
  });
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
