import { Command, CommanderError } from "commander";
import { registerBuild } from "./build.ts";
import { registerClean } from "./clean.ts";
import { addGlobalOptions, openCli, type Cli, type Edge } from "./context.ts";
import { diskFor, netbootFor } from "./disk-for.ts";
import { registerInit } from "./init.ts";
import { registerInspect } from "./inspect.ts";
import { registerQuickstart } from "./quickstart.ts";
import { registerRun } from "./run.ts";
import { exitCodeOf, UsageError } from "./output.ts";

/** Adds one command to the program. */
type Register = (program: Command, cli: Cli) => void;

const COMMANDS: readonly Register[] = [
  registerQuickstart,
  registerInit,
  registerBuild,
  (program, cli) => registerRun(program, cli, { diskFor, netbootFor }),
  registerInspect,
  registerClean,
];

/** The command line as commander sees it; every command file adds its own. */
function buildProgram(cli: Cli, out: (text: string) => void, version: string): Command {
  const program = new Command("petrify")
    .description("Turns a Linux distribution into an immutable OS image, and runs it.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "explain the command")
    .helpCommand("help [command]", "explain a command")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: out, writeErr: () => {} }) // errors are thrown, and reported in one place
    .exitOverride();
  addGlobalOptions(program);
  for (const register of COMMANDS) register(program, cli);
  return program;
}

/** Runs one command line to its end. @returns the exit code */
export async function runCli(edge: Edge, args: readonly string[], version: string): Promise<number> {
  const body = async (): Promise<void> => {
    const program = buildProgram(openCli(edge), edge.sinks.out, version);
    if (args.length === 0) return edge.sinks.out(program.helpInformation());
    try {
      await program.parseAsync(args, { from: "user" });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode !== 0) throw usageError(error);
    }
  };
  return await exitCodeOf(body, args.includes("--json"), edge.sinks, edge.signal);
}

/** commander's "error: … \n(Did you mean …?)" as message and hint. */
function usageError(cause: CommanderError): UsageError {
  if (cause.code === "commander.help")
    return new UsageError("USAGE", "a command is missing", { hint: "See `petrify --help`.", cause });
  const [message, suggestion] = cause.message.replace(/^error: /, "").split("\n");
  const hint = suggestion?.replace(/^\((.*)\)$/, "$1") ?? "See `petrify --help`, or `--help` after a command.";
  return new UsageError("USAGE", message!, { hint, cause });
}

/** The help of every command, as docs/cli.md shows it. */
export function documentedHelp(): string {
  const program = buildProgram({ action: () => async () => {} }, () => {}, "");
  const section = (name: string, command: Command): string => {
    let text = "";
    command.configureOutput({
      getOutHelpWidth: () => 100,
      writeOut: (part) => {
        text += part;
      },
    });
    command.outputHelp();
    return `## ${name}\n\n\`\`\`text\n${text.trim()}\n\`\`\``;
  };
  return [section("petrify", program), ...program.commands.map((command) => section(`petrify ${command.name()}`, command))].join(
    "\n\n",
  );
}
