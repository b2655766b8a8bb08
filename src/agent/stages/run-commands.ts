/** Commands of a config: lines for a shell, programs with their arguments. */
import type { CommandLine } from "../../config/machine/node-config.ts";
import { CommandError } from "../../host/run.ts";
import type { StagePorts } from "./ports.ts";

/** Of one that hangs: a boot goes on without it. */
const LIMIT_MS = 15 * 60_000;
const CONDITION_MS = 60_000;
/** Characters of what a failing one said last. */
const SAID = 200;

type Means = Pick<StagePorts, "run" | "log" | "stopping">;
interface CommandOptions {
  /** Of whom, in the log. */
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** The one place where a config brings its own shell. */
const argvOf = (command: CommandLine): readonly [string, ...string[]] =>
  typeof command === "string" ? ["/bin/sh", "-c", command] : (command as readonly [string, ...string[]]);

/** @returns why it failed, without the command: it may hold secrets */
export async function runCommand(
  command: CommandLine,
  { name, environment }: CommandOptions,
  { run, log, stopping }: Means,
): Promise<string | undefined> {
  try {
    const onLine = (line: string): void => log("output", `${name}: ${line}`);
    await run(argvOf(command), { env: environment, timeoutMs: LIMIT_MS, keepOutput: 4000, cwd: "/", onLine, signal: stopping });
    return undefined;
  } catch (error) {
    return stopping.aborted ? "was stopped" : whyFailed(error, LIMIT_MS);
  }
}

/**
 * Those of a list, one after the other.
 *
 * @param onError whether one that fails ends the list
 * @returns why it failed, the first of them
 */
export async function runCommands(
  commands: readonly CommandLine[],
  { onError, ...options }: CommandOptions & { readonly onError: "fail" | "continue" },
  means: Means,
): Promise<string | undefined> {
  const problems: string[] = [];
  for (const [index, command] of commands.entries()) {
    const why = await runCommand(command, options, means);
    if (why === undefined) continue;
    problems.push(commandProblem(index, commands.length, why));
    if (onError === "fail") break;
  }
  return problems.length > 1 ? `${problems[0]} (and ${problems.length - 1} more)` : problems[0];
}

export const commandProblem = (index: number, count: number, why: string): string =>
  count === 1 ? `its command ${why}` : `command ${index + 1} of ${count} ${why}`;

/** Whether what `if` says holds. @throws Error where nobody can tell */
export async function holds(
  command: string,
  environment: Readonly<Record<string, string>>,
  { run }: Pick<StagePorts, "run">,
): Promise<boolean> {
  try {
    const any = Array.from({ length: 126 }, (_, status) => status);
    const { exitCode } = await run(argvOf(command), {
      ...{ env: environment, timeoutMs: CONDITION_MS, keepOutput: 4000, cwd: "/" },
      okExit: any,
    });
    return exitCode === 0;
  } catch (cause) {
    // 126, 127: there is no such program.
    throw new Error(whyFailed(cause, CONDITION_MS), { cause });
  }
}

function whyFailed(error: unknown, limit: number): string {
  if (!(error instanceof CommandError)) return (error as Error).message;
  const { result } = error;
  if (!result) return `could not be run: ${(error.cause as NodeJS.ErrnoException | undefined)?.code ?? "no such program"}`;
  const said = result.stderr.trim().split("\n").at(-1)?.slice(0, SAID);
  const how =
    result.exitCode >= 0
      ? `exited with status ${result.exitCode}`
      : error.message.includes("did not end within")
        ? `did not end within ${limit / 60_000} min`
        : "was killed";
  return said ? `${how}: ${said}` : how;
}
