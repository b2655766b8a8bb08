import type { Command } from "commander";
import type { ConfigAnswers, GenerationEntry } from "../../agent/config/work.ts";
import { AGENT_SOCKET } from "../../agent/status.ts";
import { dateText } from "../../core/date-text.ts";
import { askLocally } from "../../host/unix-http.ts";
import type { NodeCli } from "../node-context.ts";

export function registerConfigHistory(config: Command, cli: NodeCli): void {
  config
    .command("history")
    .summary("the machine configs that this machine has had")
    .description(
      "Prints each that is kept, the newest first: its number, when it was made, for which image, of which documents, what\n" +
        "boots with it, what was left out of it, and why it was given back. Has to be run as root.",
    )
    .addHelpText("after", "\nExamples:\n  petrify config history\n  petrify config history --json | jq '.value.generations[0]'")
    .action(
      cli.action(async ({ output, signal }) => {
        for await (const value of askLocally(AGENT_SOCKET, "GET", "/config/history", signal)) {
          const found = value as ConfigAnswers["history"];
          output.result(found, found.generations.map(entryText).join("\n") || "This machine has had no machine config.");
        }
      }),
    );
}

function entryText({ generation, readable, at, image, documents = [], problems = [], ...entry }: GenerationEntry): string {
  const { running, slots, trial, refused } = entry;
  const roles = [
    ...(running ? ["runs"] : []),
    ...(trial ? ["on trial"] : []),
    ...slots.map((slot) => (slot === "recovery" ? slot : `slot ${slot}`)),
  ].join(", ");
  const what = readable
    ? `${dateText(at!)}  ${image!.name} ${image!.version}  ${documents.join(", ") || "no document"}`
    : "unreadable";
  return [
    `${String(generation).padEnd(5)}${what}${roles === "" ? "" : `  (${roles})`}`,
    ...problems.map((problem) => `     left out: ${problem}`),
    ...(refused ? [`     given back ${dateText(refused.at)}: ${refused.reason}`] : []),
  ].join("\n");
}
