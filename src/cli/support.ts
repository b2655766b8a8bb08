import { resolve } from "node:path";
import type { Command } from "commander";
import { formatSize } from "../core/units.ts";
import { fileSize, readText } from "../host/files.ts";
import { startProgram } from "../host/start-program.ts";
import { secondsNow } from "../host/wall-clock.ts";
import { helperProgram } from "../layout/own-programs.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";

interface SupportOptions {
  readonly output?: string;
}

/** `petrify support` on a machine; also where its agent does not answer. */
export function registerSupport(program: Command, cli: NodeCli): void {
  program
    .command("support")
    .summary("one file about this machine, for a report of a fault")
    .description(
      "Packs everything that helps to find out what is wrong with this machine into one .tar.gz: status, history, events, logs\n" +
        "of the last boots, services, processes, disks, network, units and more; index.json says what is missing, and why. What\n" +
        "looks like a secret is taken out. Look through it before you hand it on. Has to be run as root.",
    )
    .option("-o, --output <file>", "write it here (default: petrify-support-NAME-TIME.tar.gz)")
    .addHelpText("after", "\nExamples:\n  petrify support\n  petrify support -o /media/usb/fault.tar.gz")
    .action(cli.action(support));
}

async function support(context: NodeContext, options: SupportOptions): Promise<void> {
  const { root, cwd, clock, signal, output } = context;
  // Hardly any command needs it.
  const [{ bundleName, missingLines, openBundle }, { askSelf }] = await Promise.all([
    import("./support/bundle.ts"),
    import("./support/ask-self.ts"),
  ]);
  const name = (await readText(`${root}/proc/sys/kernel/hostname`).catch(() => "machine")).trim();
  const now = secondsNow();
  const path = resolve(cwd, options.output ?? bundleName(name, now));
  await using bundle = await openBundle(path, { now, clock });
  const look = [helperProgram("look")] as const;
  const ask = askSelf({ startProgram, look });
  const { parts } = await bundle.collect(name, ask, (error) => error, signal);
  await bundle.finish();
  const size = await fileSize(path);
  const missing = missingLines(parts);
  const value = { file: path, size, parts: parts.length, missing };
  output.result(value, [`${path}: ${formatSize(size)}`, ...missing.map((line) => `without ${line}`)].join("\n"));
}
