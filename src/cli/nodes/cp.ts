import { basename, join, resolve } from "node:path";
import type { Command } from "commander";
import type { Copied } from "../../client/copy-from-node.ts";
import { AppError } from "../../core/error.ts";
import { formatSize } from "../../core/units.ts";
import { copyIn, type CopyIn } from "../../host/copy-in.ts";
import { copyToStream } from "../../host/copy-to-stream.ts";
import { kindOf } from "../../host/stream-file.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { Cli, CliContext } from "../context.ts";
import { UsageError } from "../output.ts";
import { rateMeter, rateText } from "../rate.ts";
import { eachNode } from "./each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";

/** In place of a path of this side. */
const STANDARD_OUTPUT = "-";
const LEFT_OUT = 1;

/** `petrify -n NODE cp PATH LOCAL` */
export function registerNodeCp(program: Command, cli: Cli): void {
  const command = program
    .command("cp")
    .argument("<path>", "of the machine: a file or a folder, absolute")
    .argument("<local>", "where it goes: a file, a folder that is there, or - for the standard output")
    .summary("copy a file or a folder out of a machine")
    .description(
      "Copies a file, or a folder with everything in it, with permissions and times, and compares what has come with what is\n" +
        "there (SHA-256). A lost connection is made again, and the copy goes on where it was. Nothing is there until it is whole.\n" +
        "What lets others in is not copied to anybody. The machine's audit log says who has copied what. Takes the role admin.",
    );
  addNodeOptionsTo(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify -n edge-7 cp /var/log/app.log .\n  petrify -n edge-7 cp /srv/data backup\n" +
        "  petrify -n edge-7 cp /etc/app.conf - | less",
    )
    .action(cli.action(cp));
}

async function cp(context: CliContext, path: string, local: string, options: NodeOptions): Promise<void> {
  const { nodes, cwd, signal, output, progress, clock, terminal, json, endWith } = context;
  if (nodes.length !== 1) throw new UsageError("USAGE", "copy out of one machine at a time: -n NAME");
  const isStream = local === STANDARD_OUTPUT;
  if (isStream && json) throw new UsageError("USAGE", "--json is on the standard output already", { hint: "Name a file." });
  // What it imports is for calls alone: other commands start without it.
  const { copyFromNode } = await import("../../client/copy-from-node.ts");
  const meter = rateMeter(clock);
  let target = "";
  let copy: CopyIn | undefined;
  const into = async (kind: "file" | "folder" | "link") => {
    if (isStream) {
      if (kind !== "file") throw new AppError("NO_PLAIN_FILE", `${path} is a folder`, { hint: "Name a folder to copy it to." });
      return copyToStream(terminal.output);
    }
    target = await targetOf(resolve(cwd, local), path, kind);
    return (copy = await copyIn(target));
  };
  try {
    const copyAll = async (note: (text: string) => void) =>
      await eachNode(context, options, async (first, _call, { node, open, failure }): Promise<Copied> => {
        const told = (bytes: number, total?: number): void =>
          note(total === undefined ? formatSize(bytes) : `${rateText(meter(bytes, total))} of ${formatSize(total)}`);
        return await copyFromNode(path, { node, first, open, failure, into, progress: told }, signal);
      });
    const [answer] = await progress.step("copy", copyAll);
    const copied = (answer as { readonly value: Copied }).value;
    await copy?.finish();
    const { leftOut } = copied;
    if (leftOut.length > 0) endWith(LEFT_OUT);
    if (!isStream) return output.result({ from: path, to: target, ...copied }, copiedText(target, copied));
    for (const { reason } of leftOut) context.sinks.err(`left out: ${reason}\n`);
  } catch (cause) {
    const { syscall, message } = cause as NodeJS.ErrnoException;
    if (cause instanceof AppError || syscall === undefined || target === "") throw cause;
    throw new AppError("TARGET_NOT_WRITTEN", `${target} cannot be written: ${message}`, { cause });
  } finally {
    await copy?.[Symbol.asyncDispose]();
  }
}

/** As for cp(1): into a folder that is there, else under that name. @throws AppError `TARGET_EXISTS` */
async function targetOf(local: string, path: string, kind: "file" | "folder" | "link"): Promise<string> {
  const target = (await kindOf(local)) === "folder" ? join(local, basename(path) || "root") : local;
  const there = await kindOf(target);
  if (there === undefined || (there === "file" && kind === "file")) return target;
  throw new AppError("TARGET_EXISTS", `${target} is there already`, { hint: "Name another place, or remove it." });
}

function copiedText(target: string, { files, folders, links, bytes, sha256, leftOut }: Copied): string {
  const count = folders > 0 ? `${files} files, ${folders} folders, ${links} links, ` : "";
  return [
    `${target}: ${count}${formatSize(bytes)}${sha256 === undefined ? "" : `, sha256:${sha256}`}`,
    ...leftOut.map(({ reason }) => shortLine(`left out: ${reason}`)),
  ].join("\n");
}
