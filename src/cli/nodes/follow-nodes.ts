/** What machines tell for as long as somebody listens: a line for each thing, whichever comes first. */
import { isLost, type NodeConnection } from "../../client/open-node.ts";
import { drained } from "../../host/drained.ts";
import { wait } from "../../host/wait.ts";
import type { CliContext } from "../context.ts";
import { hasColours } from "../has-colours.ts";
import { eachNode, type AskedNode, type NodeAnswer } from "./each-node.ts";
import type { NodeOptions } from "./options.ts";

/** One line of output. */
export interface NodeLine {
  /** With `--json`: its type, and what else there is to it. */
  readonly type: string;
  readonly json: object;
  readonly text: (isColoured: boolean) => string;
}
export interface Following<Message> {
  /** Called again after the connection was lost. */
  readonly begin: (connection: NodeConnection, signal: AbortSignal) => AsyncIterable<Message>;
  readonly lines: (message: Message) => readonly NodeLine[];
  /** Goes on when a machine is there again; else its loss is a failure. */
  readonly again: boolean;
}

/**
 * @param following of one machine: it may remember how far it is
 * @throws AppError as {@link eachNode}
 */
export async function followNodes<Message>(
  context: CliContext,
  options: NodeOptions & { readonly follow?: true },
  following: () => Following<Message>,
): Promise<void> {
  const { sinks, output, signal, json } = context;
  const isColoured = hasColours(context);
  const { nodePrefix } = await import("./log-text.ts");
  let count = 0;
  const answers = await eachNode(context, { ...options, lasting: options.follow === true }, async (connection, _call, asked) => {
    const { begin, lines, again } = following();
    const prefix = context.nodes.length === 1 ? "" : nodePrefix(asked.node, count++, isColoured);
    const show = async (on: NodeConnection): Promise<void> => {
      for await (const message of begin(on, signal)) {
        for (const { type, json: value, text } of lines(message)) {
          if (json) output.event({ type, ...{ node: asked.node, ...value } });
          else sinks.out(`${text(isColoured).replaceAll(/^/gm, prefix)}\n`);
        }
        // Who reads us slowly is waited for, and the machine waits for us.
        await drained(context.terminal.output);
      }
    };
    if (again) await untilEnded(connection, asked, show, context);
    else await show(connection);
    return undefined;
  });
  endWith(context, answers);
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

async function untilEnded(
  first: NodeConnection,
  { node, open, failure }: AskedNode,
  show: (on: NodeConnection) => Promise<void>,
  { signal, sinks }: Pick<CliContext, "signal" | "sinks">,
): Promise<void> {
  const attempt = async (isFirst: boolean): Promise<void> => {
    if (isFirst) return await show(first);
    await using connection = await open();
    await show(connection);
  };
  let pause = FIRST_PAUSE_MS;
  for (let tries = 0; ; tries++) {
    const since = performance.now();
    try {
      return await attempt(tries === 0);
    } catch (error) {
      signal.throwIfAborted();
      const known = failure(error);
      if (!isLost(known)) throw known;
      if (performance.now() - since > LONGEST_PAUSE_MS) pause = FIRST_PAUSE_MS;
      if (pause === FIRST_PAUSE_MS) sinks.err(`warning: ${node}: ${known.message}; it is tried again\n`);
    }
    await wait(pause, signal);
    pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
  }
}

/** What they have told is shown already: what is left are those that have failed. */
function endWith({ output }: Pick<CliContext, "output">, answers: readonly NodeAnswer<undefined>[]): void {
  const failed = answers.flatMap((answer) => ("error" in answer ? [`${answer.node}: ${answer.error.message}`] : []));
  const nodes = answers.map((answer) => ("error" in answer ? answer : { node: answer.node }));
  output.result({ nodes }, failed.join("\n"));
}
