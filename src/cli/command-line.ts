/** What the program on the workstation and the one on the node have in common. */
import { Command, CommanderError } from "commander";
import { exitCodeOf, UsageError, type Sinks } from "./output.ts";

/** A program without commands. */
export const newProgram = (description: string, out: (text: string) => void, version: string): Command =>
  new Command("petrify")
    .description(description)
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "explain the command")
    .helpCommand("help [command]", "explain a command")
    .configureHelp({ showGlobalOptions: true, commandDescription: (command) => flowing(command.description()) })
    .configureOutput({ writeOut: out, writeErr: () => {} }) // errors are thrown, and reported in one place
    .exitOverride();

/** Paragraphs without the line ends of the source: terminals are of all widths. */
const flowing = (text: string): string => text.replaceAll(/(?<!\n)\n(?!\n)/g, " ");

/** Runs one command line to its end. @returns the exit code */
export async function runProgram(
  build: () => Command | Promise<Command>,
  { sinks, signal }: { readonly sinks: Sinks; readonly signal: AbortSignal },
  args: readonly string[],
): Promise<number> {
  const body = async (): Promise<void> => {
    const program = await build();
    if (args.length === 0) return sinks.out(program.helpInformation());
    try {
      await program.parseAsync(args, { from: "user" });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode !== 0) throw usageError(error, helpFor(program, args));
    }
  };
  return await exitCodeOf(body, args.includes("--json"), sinks, signal);
}

/** commander's "error: … \n(Did you mean …?)" as message and hint. */
function usageError(cause: CommanderError, help: string): UsageError {
  const hint = `See \`${help}\`.`;
  if (cause.code === "commander.help") return new UsageError("USAGE", "a command is missing", { hint, cause });
  const [message, suggestion] = cause.message.replace(/^error: /, "").split("\n");
  return new UsageError("USAGE", message!, { hint: suggestion?.replace(/^\((.*)\)$/, "$1") ?? hint, cause });
}

/** What explains the command that these words lead to, as far as they lead to one: `petrify config apply --help`. */
function helpFor(program: Command, args: readonly string[]): string {
  let command = program;
  const path = ["petrify"];
  for (const word of args) {
    const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (!next) continue; // an option, what it is given, or an argument
    path.push(word);
    command = next;
  }
  return `${path.join(" ")} --help`;
}

/**
 * The help of the program and of every command, as docs/cli.md shows it.
 *
 * @param mark starts each title: `##`
 */
export function helpSections(program: Command, mark: string): string {
  const section = (name: string, command: Command): string => {
    let text = "";
    command.configureOutput({
      getOutHelpWidth: () => 100,
      writeOut: (part) => {
        text += part;
      },
    });
    command.outputHelp();
    return `${mark} ${name}\n\n\`\`\`text\n${text.trim()}\n\`\`\``;
  };
  const below = (path: string, parent: Command): string[] =>
    parent
      .createHelp()
      .visibleCommands(parent)
      .filter((command) => parent.commands.includes(command)) // and not `help`
      .flatMap((command) => [section(`${path} ${command.name()}`, command), ...below(`${path} ${command.name()}`, command)]);
  return [section("petrify", program), ...below("petrify", program)].join("\n\n");
}
