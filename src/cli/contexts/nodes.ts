/** `petrify context node`: the machines that a context knows by name. */
import type { Command } from "commander";
import { assertKnown, contextOf, forgetNode, knowNode, type NodeChange } from "../../client/contexts.ts";
import { labelsText, parseLabels } from "../../client/selector.ts";
import type { Cli, CliContext } from "../context.ts";
import { selects, selectorOption } from "../nodes/options.ts";
import { tableText } from "../table.ts";
import { readContexts, writeContexts } from "./context-file.ts";

export function registerContextNodes(contexts: Command, cli: Cli): void {
  const nodes = contexts
    .command("node")
    .summary("the machines that a context knows: where they are, and labels to choose them by")
    .description(
      "Keeps the machines of a context, so that commands for machines find them by name (-n), by label (-l) and all of them\n" +
        "(--all). Nothing of it is asked of the machines, or written to them.",
    )
    .helpCommand(false);
  for (const register of [registerAdd, registerLabel, registerList, registerRemove]) register(nodes, cli);
}

interface InContext {
  readonly context?: string;
}
const contextOption = ["--context <name>", "in this context (default: the one in use)"] as const;

/** @returns whether that is news, and what is known of the machine now */
async function know(context: CliContext, { context: named }: InContext, node: string, change: NodeChange) {
  const before = await readContexts(context);
  const [name] = contextOf(before, named);
  const after = knowNode(before, name, node, change);
  if (after !== before) await writeContexts(context, after);
  return { context: name, name: node, ...after.contexts[name]!.nodes[node], changed: after !== before };
}

interface AddOptions extends InContext {
  readonly address?: string;
  readonly key?: string;
  readonly label?: readonly string[];
}

function registerAdd(nodes: Command, cli: Cli): void {
  nodes
    .command("add")
    .argument("<node>", "name by which you call the machine")
    .summary("remember a machine")
    .description("Remembers a machine. Of one that is known it changes what is named, and leaves the rest as it is.")
    .option("--address <host[:port]>", "where it is reached (default: by its name, port 50000)")
    .option("--key <fingerprint>", "key that it is known by, whatever its certificate says: SHA256:…")
    .option("--label <label>", "something to choose it by, e.g. site=berlin; more than once", collect)
    .option(...contextOption)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify context node add edge-7 --address 192.0.2.7 --label site=berlin --label ring=canary",
    )
    .action(
      cli.action(async (context, node: string, { address, key, label, ...options }: AddOptions) => {
        const labels = label ? { labels: parseLabels(label) } : {};
        const { context: name, changed, ...known } = await know(context, options, node, { address, key, ...labels });
        context.output.result({ context: name, ...known, changed }, `${name} ${changed ? "knows" : "knew"} ${node}.`);
      }),
    );
}

const collect = (word: string, before: readonly string[] = []): readonly string[] => [...before, word];

function registerLabel(nodes: Command, cli: Cli): void {
  nodes
    .command("label")
    .argument("<node>", "a machine that the context knows")
    .argument("<labels...>", "site=berlin sets one, site- takes it away")
    .summary("give a machine labels, or take them away")
    .description("Changes the labels of a machine. They are in the context alone: the machine does not know them.")
    .option(...contextOption)
    .addHelpText("after", "\nExamples:\n  petrify context node label edge-7 site=berlin ring-\n  petrify -l site=berlin status")
    .action(
      cli.action(async (context, node: string, words: readonly string[], options: InContext) => {
        const change = parseLabels(words);
        const [name, { nodes: known }] = contextOf(await readContexts(context), options.context);
        assertKnown(name, known, node);
        const after = await know(context, options, node, { labels: change });
        const text = labelsText(after.labels);
        context.output.result(after, text === "" ? `${node} has no labels.` : `${node}: ${text}`);
      }),
    );
}

function registerList(nodes: Command, cli: Cli): void {
  nodes
    .command("list")
    .summary("list the machines of a context")
    .description("Prints the machines that a context knows, or those with some labels.")
    .addOption(selectorOption())
    .option(...contextOption)
    .addHelpText("after", "\nExamples:\n  petrify context node list\n  petrify context node list -l 'site=berlin,!test' --json")
    .action(
      cli.action(async (context, { selector, ...options }: InContext & { readonly selector?: readonly string[] }) => {
        const [name, { nodes: known }] = contextOf(await readContexts(context), options.context);
        const chosen = Object.entries(known).filter(selects(selector ?? []));
        const text =
          chosen.length > 0
            ? tableText(
                ["NAME", "ADDRESS", "KEY", "LABELS"],
                chosen.map(([node, { address = node, key = "-", labels }]) => [node, address, key, labelsText(labels) || "-"]),
              )
            : `${name} knows no such machine; add one with \`petrify context node add\``;
        context.output.result({ context: name, nodes: chosen.map(([node, facts]) => ({ name: node, ...facts })) }, text);
      }),
    );
}

function registerRemove(nodes: Command, cli: Cli): void {
  nodes
    .command("remove")
    .argument("<node>", "a machine that the context knows")
    .summary("forget a machine, with its key and its labels")
    .description("Forgets a machine. The machine itself is left alone.")
    .option(...contextOption)
    .addHelpText("after", "\nExamples:\n  petrify context node remove edge-7")
    .action(
      cli.action(async (context, node: string, { context: named }: InContext) => {
        const before = await readContexts(context);
        const [name] = contextOf(before, named);
        await writeContexts(context, forgetNode(before, name, node));
        context.output.result({ context: name, name: node, changed: true }, `${name} has forgotten ${node}.`);
      }),
    );
}
