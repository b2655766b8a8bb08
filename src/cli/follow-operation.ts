import type { OperationNews, OperationStatus } from "../agent/operations/driver.ts";
import { AppError } from "../core/error.ts";
import type { NodeContext } from "./node-context.ts";

/**
 * Shows an operation until it has ended, waits for a restart, or the machine restarts.
 *
 * @throws AppError when it ends otherwise than it should: what ended it; `OPERATION_FAILED` where that was no error
 */
export async function followOperation({ output, sinks, signal }: NodeContext, news: AsyncIterable<unknown>): Promise<void> {
  const isLive = sinks.columns() > 0;
  let last: OperationStatus | undefined;
  try {
    for await (const value of news) {
      const event = value as OperationNews;
      if ("ended" in event) {
        const { outcome, reason, code = "OPERATION_FAILED", hint = "See `petrify history`.", target } = event.ended;
        if (outcome !== "succeeded") throw new AppError(code, `${outcome}: ${reason ?? target}`, { hint });
        return output.result({ ...event.ended, changed: true }, `Done: ${target}.`);
      }
      if ("restarting" in event) {
        return output.result({ restarting: event.restarting, changed: true }, `The machine restarts: ${event.restarting}.`);
      }
      const { now } = event;
      const isNewStep = now.at !== last?.at;
      last = now;
      output.event({ type: "progress", ...now }, lineOf(now, isNewStep, isLive));
    }
  } catch (error) {
    if (!signal.aborted || last === undefined) throw error;
    sinks.err("The agent goes on with it: `petrify upgrade --follow` shows it, `--cancel` ends it.\n");
    throw error;
  }
  if (last === undefined) return output.result({ operation: null }, "Nothing is under way.");
  output.result(
    { operation: last, changed: true },
    last.at === "flipped" ? `${last.text}: \`petrify reboot\`.` : `${last.text}.`,
  );
}

/** A line for each step; on a terminal each tenth of one, too. */
function lineOf({ text, percent }: OperationStatus, isNewStep: boolean, isLive: boolean): string | undefined {
  if (isNewStep) return text;
  return percent !== undefined && percent % (isLive ? 10 : 50) === 0 ? `${text}, ${percent} %` : undefined;
}
