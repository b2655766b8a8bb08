/** What machines are told to do to their images, followed to its end: for people, and for programs. */
import { AppError } from "../../core/error.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { OperationNews } from "../../protocol/petrify/v1/control_pb.ts";
import type { CliContext } from "../context.ts";
import type { Answered, AskedNode } from "../nodes/each-node.ts";
import { tableText } from "../table.ts";

export interface Outcome {
  /** In a few words. */
  readonly outcome: string;
  readonly changed: boolean;
}

/** @throws AppError `OPERATION_FAILED` where it has ended otherwise than it should */
export async function followed(
  { output, signal }: CliContext,
  answers: AsyncIterable<{ readonly news?: OperationNews | undefined }>,
  { node, open }: Pick<AskedNode, "node" | "open">,
): Promise<Outcome> {
  const { followToEnd } = await import("../../client/follow-operation.ts");
  let before = "";
  const found = await followToEnd(newsIn(answers), {
    ...{ node, open, signal },
    told: (news) => {
      const { text, percent } = typeof news === "string" ? { text: `restarts: ${news}`, percent: undefined } : news;
      const said = { node, text, ...(percent === undefined ? {} : { percent }) };
      output.event({ type: "progress", ...said }, text === before ? undefined : shortLine(`${node}: ${text}`));
      before = text;
    },
  });
  if ("none" in found) return { outcome: "nothing was to be done", changed: false };
  if ("staged" in found) return { outcome: `waits for a restart: ${shortLine(found.staged.text)}`, changed: true };
  const { outcome, reason } = found.ended;
  if (outcome === "succeeded") return { outcome, changed: true };
  throw new AppError("OPERATION_FAILED", shortLine(reason === "" ? outcome : `${outcome}: ${reason}`), {
    hint: `petrify -n ${node} audit show`,
  });
}

async function* newsIn(
  answers: AsyncIterable<{ readonly news?: OperationNews | undefined }>,
): AsyncGenerator<OperationNews | undefined> {
  for await (const { news } of answers) yield news;
}

export const outcomeJson = (value: Outcome): object => value;
export const outcomeTable = (rows: readonly Answered<Outcome>[]): string =>
  tableText(
    ["NODE", "OUTCOME"],
    rows.map(({ node, value }) => [node, value.outcome].map(shortLine)),
  );
