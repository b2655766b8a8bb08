/** What the agent answers to a change of the machine config, for people and programs. */
import type { ConfigResult } from "../../agent/config/apply-config.ts";
import { AGENT_SOCKET } from "../../agent/status.ts";
import { planText } from "../../config/machine/compile/plan-text.ts";
import { askLocally } from "../../host/unix-http.ts";
import type { NodeContext } from "../node-context.ts";

/** @throws AppError why it is refused; nothing has changed then */
export async function changeConfig({ signal }: NodeContext, url: string, request: object): Promise<ConfigResult> {
  for await (const value of askLocally(AGENT_SOCKET, "POST", url, signal, request)) return value as ConfigResult;
  throw new Error("the agent has no answer");
}

export function tellResult({ output }: Pick<NodeContext, "output">, result: ConfigResult): void {
  for (const problem of result.problems) {
    const event = { type: "note", problem };
    output.event(event, `note: ${problem}`);
  }
  output.result(result, resultText(result));
}

export function resultText(result: ConfigResult): string {
  const { mode, changed, generation, plan } = result;
  const text = planText(plan).trimEnd();
  if (mode === "dry-run") {
    const planned = changed && plan.changes.length === 0 ? "nothing would change but what is kept" : text;
    return [planned, ...driftLines(result)].join("\n");
  }
  if (!changed) return `Nothing has changed: machine config ${generation} is what this machine has.`;
  return [...(plan.changes.length === 0 ? [] : [text, ""]), outcome(result)].join("\n");
}

function driftLines({ drift }: ConfigResult): string[] {
  const found = drift?.left ?? drift?.found ?? [];
  if (found.length === 0) return [];
  return ["not as the config says any more; a reboot, or `drift: mend`, lays it anew", ...found.map((one) => `  ${one}`)];
}

function outcome({ mode, generation, trial }: ConfigResult): string {
  const name = `Machine config ${generation}`;
  if (trial && trial.until === undefined)
    return `${name} is on trial from the next boot on: \`petrify reboot\`. It is kept, with its kernel arguments, once that boot is healthy.`;
  if (trial) return `${name} is on trial: in a minute the one before is back, unless you run \`petrify config confirm\`.`;
  return mode === "staged" ? `${name} is laid at the next boot: \`petrify reboot\`.` : `${name} is in place.`;
}
