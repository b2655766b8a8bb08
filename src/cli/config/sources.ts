import type { Command } from "commander";
import type { SourceReport } from "../../agent/config-sources.ts";
import type { FoundSources } from "../../agent/config/work.ts";
import { AGENT_SOCKET } from "../../agent/status.ts";
import { formatSize } from "../../core/units.ts";
import { askLocally } from "../../host/unix-http.ts";
import type { NodeCli, NodeContext } from "../node-context.ts";

/** `petrify config sources` on a machine. */
export function registerConfigSources(config: Command, cli: NodeCli): void {
  config
    .command("sources")
    .summary("where this machine looks for its config, and what is there")
    .description(
      "Looks at every place that a machine config may come from, in their order: what a later one says wins. Says of each\n" +
        "whether it is there, which documents it has and which keys they set; no values. Nothing is applied, and nothing is\n" +
        "written. A place that is gone or does not answer is shown as kept where its last answer counts. Has to be run as root.",
    )
    .option("--local", "ask nobody over the network")
    .addHelpText("after", "\nExamples:\n  petrify config sources\n  petrify config sources --local --json | jq .value.sources")
    .action(cli.action(sources));
}

async function sources({ signal, output }: NodeContext, { local = false }: { readonly local?: boolean }): Promise<void> {
  for await (const value of askLocally(AGENT_SOCKET, "POST", "/config/sources", signal, { local })) {
    const found = value as FoundSources;
    output.result(found, sourcesText(found));
  }
}

export function sourcesText({ sources: places, instance }: FoundSources): string {
  if (places.length === 0) return "The recovery system takes no config but the one that was applied last.";
  return [...places.flatMap(sourceLines), line("instance", instance ?? "only the network can tell")].join("\n");
}

const STATES: Readonly<Record<SourceReport["is"], string>> = {
  none: "-",
  found: "found",
  kept: "kept: it is as it was the last time",
  awaited: "waits for the network",
  unusable: "cannot be used",
};
const WIDTH = 14;
const line = (name: string, text: string): string => `${name.padEnd(WIDTH)}${text}`;

function sourceLines({ name, is, waits, place, documents, problems }: SourceReport): string[] {
  const rest = waits && is !== "awaited" ? ", the rest waits for the network" : "";
  return [
    line(name, `${STATES[is]}${place === undefined ? "" : ` on ${place}`}${rest}`),
    ...documents.map(({ origin, bytes, keys, isKept }) => {
      const what = keys.length > 0 ? keys.join(", ") : "nothing is set";
      return line("", `${origin} (${formatSize(bytes)}${isKept ? ", kept" : ""}): ${what}`);
    }),
    ...problems.map((problem) => line("", `left out: ${problem}`)),
  ];
}
