import { InvalidArgumentError, type Command } from "commander";
import { MiB, parseSize, type Bytes } from "../../core/units.ts";
import type { Cli, CliContext } from "../context.ts";
import { eachNode } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";

interface ReadOptions extends NodeOptions {
  readonly limit?: Bytes;
}

const MOST: Bytes = MiB;

/** `petrify -n NODE read PATH` */
export function registerRead(program: Command, cli: Cli): void {
  const command = program
    .command("read")
    .argument("<path>", "of the machine: absolute")
    .summary("show a text file of machines")
    .description(
      "Shows a file of machines, as text: of several machines one after the other, with their names. What lets others in is\n" +
        "not shown to anybody: keys, passwords, machine configs. Takes the role admin.",
    )
    .option("--limit <size>", "the most that is shown of a file (default: 1MiB)", sizeOf);
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify -n edge-7 read /etc/os-release\n  petrify --all read /proc/version")
    .action(cli.action(read));
}

async function read(context: CliContext, path: string, options: ReadOptions): Promise<void> {
  const { SystemService } = await import("../../protocol/petrify/v1/system_pb.ts");
  const limit = BigInt(options.limit ?? MOST);
  const answers = await eachNode(context, options, async ({ client }, { signal }) => {
    const parts = await Array.fromAsync(client(SystemService).read({ path, limit }, { signal }), ({ data }) => data);
    return Buffer.concat(parts);
  });
  const texts = answers.map((answer) => {
    const text = "error" in answer ? `${answer.error.message}\n` : textOf(answer.value);
    return answers.length === 1 ? text : `==> ${answer.node} <==\n${text}`;
  });
  const nodes = answers.map((answer) =>
    "error" in answer ? answer : { node: answer.node, value: { data: answer.value.toString("base64") } },
  );
  context.output.result({ nodes }, texts.join("\n").replace(/\n$/, ""));
}

/** What could lead a terminal astray is not shown. */
const textOf = (bytes: Uint8Array): string =>
  // eslint-disable-next-line no-control-regex -- these are what is looked for
  new TextDecoder().decode(bytes).replaceAll(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "\u{fffd}");

function sizeOf(text: string): Bytes {
  try {
    return parseSize(text);
  } catch {
    throw new InvalidArgumentError("Write a whole number and a unit: 512KiB, 4MiB.");
  }
}
