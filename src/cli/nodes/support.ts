import { resolve } from "node:path";
import type { Command } from "commander";
import { formatSize } from "../../core/units.ts";
import { fileSize } from "../../host/files.ts";
import type { Cli, CliContext } from "../context.ts";
import { eachNode, type NodeAnswer } from "./each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";

interface SupportOptions extends NodeOptions {
  readonly output?: string;
}

/** `petrify -n NODE support` */
export function registerNodeSupport(program: Command, cli: Cli): void {
  const command = program
    .command("support")
    .summary("one file about machines, for a report of a fault")
    .description(
      "Asks machines for everything that helps to find out what is wrong with them, and packs it into one .tar.gz: status,\n" +
        "history, events, logs of the last boots, services, processes, disks, network, units and more; index.json says what is\n" +
        "missing, and why. What looks like a secret is taken out. Look through it before you hand it on.",
    )
    .option("-o, --output <file>", "write it here (default: petrify-support-NODE-TIME.tar.gz)");
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify -n edge-7 support\n  petrify -l site=berlin support -o berlin.tar.gz")
    .action(cli.action(support));
}

interface Summary {
  readonly folder: string;
  readonly parts: number;
  readonly missing: readonly string[];
}

async function support(context: CliContext, options: SupportOptions): Promise<void> {
  const { nodes, cwd, now, clock, signal, output, progress } = context;
  // What it imports is for calls alone: other commands start without it.
  const [{ bundleName, missingLines, openBundle }, { askNode }] = await Promise.all([
    import("../support/bundle.ts"),
    import("../support/ask-node.ts"),
  ]);
  const path = resolve(cwd, options.output ?? bundleName(nodes.length === 1 ? nodes[0]! : "machines", now()));
  await using bundle = await openBundle(path, { now: now(), clock });
  const answers = await progress.step(
    "ask",
    async (note) =>
      await eachNode(context, options, async (connection, _call, { node, failure }): Promise<Summary> => {
        const { folder, parts } = await bundle.collect(node, askNode(connection), failure, signal);
        note(`${node} has told all`);
        return { folder, parts: parts.length, missing: missingLines(parts) };
      }),
  );
  await bundle.finish();
  const size = await fileSize(path);
  output.result({ file: path, size, nodes: answers }, textOf(path, size, answers));
}

function textOf(path: string, size: number, answers: readonly NodeAnswer<Summary>[]): string {
  const missing = answers.flatMap((answer) =>
    "error" in answer
      ? [`${answer.node}: ${answer.error.message}`]
      : answer.value.missing.map((line) => `${answer.node}: without ${line}`),
  );
  return [`${path}: ${formatSize(size)}`, ...missing].join("\n");
}
