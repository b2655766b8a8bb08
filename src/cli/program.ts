import type { Command } from "commander";
import { registerBuild } from "./build.ts";
import { registerClean } from "./clean.ts";
import { helpSections, newProgram, runProgram } from "./command-line.ts";
import { addGlobalOptions, openCli, type Cli, type Edge } from "./context.ts";
import { diskFor, netbootFor, testDiskFor } from "./disk-for.ts";
import { registerInit } from "./init.ts";
import { registerInspect } from "./inspect.ts";
import { registerQuickstart } from "./quickstart.ts";
import { registerRun } from "./run.ts";
import { registerTestImage } from "./test-image.ts";

/** Adds one command to the program. */
type Register = (program: Command, cli: Cli) => void;

const COMMANDS: readonly Register[] = [
  registerQuickstart,
  registerInit,
  registerBuild,
  (program, cli) => registerRun(program, cli, { diskFor, netbootFor }),
  (program, cli) => registerTestImage(program, cli, testDiskFor),
  registerInspect,
  registerClean,
];

/** The command line as commander sees it; every command file adds its own. */
function buildProgram(cli: Cli, out: (text: string) => void, version: string): Command {
  const program = newProgram("Turns a Linux distribution into an immutable OS image, and runs it.", out, version);
  addGlobalOptions(program);
  for (const register of COMMANDS) register(program, cli);
  return program;
}

/** Runs one command line to its end. @returns the exit code */
export const runCli = async (edge: Edge, args: readonly string[], version: string): Promise<number> =>
  await runProgram(() => buildProgram(openCli(edge), edge.sinks.out, version), edge, args);

/** The help of every command, as docs/cli.md shows it. */
export function documentedHelp(): string {
  const program = buildProgram({ action: () => async () => {} }, () => {}, "");
  return helpSections(program, "##");
}
