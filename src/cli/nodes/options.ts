/** Commands that are for machines take them by `-n`, before or after their name: `petrify -n edge-7 status`. */
import { InvalidArgumentError, Option, type Command } from "commander";
import { UsageError } from "../output.ts";

/** Of a command; the machines themselves are in the context that every command is given. */
export interface NodeOptions {
  readonly context?: string;
}

const nodeOption = (): Option =>
  new Option("-n, --node <names>", "machines, by name or address, with commas between them").argParser(
    (text, before: readonly string[] | undefined) => [...new Set([...(before ?? []), ...namesIn(text)])],
  );
const contextOption = (): Option => new Option("--context <name>", "whose machines they are (default: the context in use)");

function namesIn(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.some((name) => name === "")) throw new InvalidArgumentError("Write names with commas between them: edge-1,edge-2.");
  return names;
}

/** Of the program: commander takes options of the program wherever they are. A command that is not for machines refuses them. */
export function addNodeOptions(program: Command): void {
  program.addOption(nodeOption().hideHelp()).hook("preAction", (_, command) => {
    const takesNodes = command.options.some((option) => option.attributeName() === "node");
    if (takesNodes || program.opts<{ readonly node?: object }>().node === undefined) return;
    throw new UsageError("USAGE", `${command.name()} is not for a machine: it takes no --node`, {
      hint: "See `petrify --help`.",
    });
  });
}

export const addNodeOptionsTo = (command: Command): Command => command.addOption(nodeOption()).addOption(contextOption());
