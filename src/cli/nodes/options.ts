/** Commands that are for machines take them by `-n`, `-l` or `--all`, before or after their name: `petrify -n edge-7 status`. */
import { InvalidArgumentError, Option, type Command } from "commander";
import type { Context } from "../../client/contexts.ts";
import { parseSelector } from "../../client/selector.ts";
import { UsageError } from "../output.ts";

/** Of a command; the machines themselves are in the context that every command is given. */
export interface NodeOptions {
  readonly context?: string;
}
/** Which machines a command is for. */
export interface NodeChoice {
  /** By name or address: `-n`. */
  readonly nodes: readonly string[];
  /** By their labels: `-l`. */
  readonly selectors: readonly string[];
  /** All that the context knows: `--all`. */
  readonly allNodes: boolean;
}

const nodeOption = (): Option =>
  new Option("-n, --node <names>", "machines, by name or address, with commas between them").argParser(
    (text, before: readonly string[] | undefined) => [...new Set([...(before ?? []), ...namesIn(text)])],
  );
export const selectorOption = (): Option =>
  new Option("-l, --selector <labels>", "machines of the context by their labels, e.g. site=berlin,!test").argParser(
    (text, before: readonly string[] | undefined) => {
      parseSelector(text);
      return [...(before ?? []), text];
    },
  );
const allOption = (): Option => new Option("--all", "every machine that the context knows");
const contextOption = (): Option => new Option("--context <name>", "whose machines they are (default: the context in use)");

/** Each of them chooses machines, and nobody needs two. */
const choosers = (): Option[] => [nodeOption().conflicts(["selector", "all"]), selectorOption().conflicts("all"), allOption()];

function namesIn(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.some((name) => name === "")) throw new InvalidArgumentError("Write names with commas between them: edge-1,edge-2.");
  return names;
}

/**
 * Of the program: commander takes options of the program wherever they are. A command that has one of them for something else gets it back; any other that is
 * not for machines refuses them.
 */
export function addNodeOptions(program: Command): void {
  for (const option of [...choosers(), contextOption()]) program.addOption(option.hideHelp());
  program.hook("preAction", (_, command) => {
    const isOf = (name: string): boolean => command.options.some((option) => option.attributeName() === name);
    // Which machines they are, a command is told by its context.
    for (const option of isOf("node") ? [contextOption()] : [...choosers(), contextOption()]) {
      const name = option.attributeName();
      const value: unknown = program.getOptionValue(name);
      if (value === undefined) continue;
      if (!isOf(name)) {
        throw new UsageError("USAGE", `${command.name()} is not for a machine: it takes no ${option.long}`, {
          hint: "See `petrify --help`.",
        });
      }
      command.setOptionValue(name, value);
    }
  });
}

export function addNodeOptionsTo(command: Command): Command {
  for (const option of choosers()) command.addOption(option);
  return command.addOption(contextOption());
}

/** Whether a machine of a context has the labels that all of these ask for. @throws AppError `SELECTOR_INVALID` */
export function selects(selectors: readonly string[]): (node: readonly [string, Context["nodes"][string]]) => boolean {
  const tests = selectors.map(parseSelector);
  return ([, { labels = {} }]) => tests.every((test) => test(labels));
}
