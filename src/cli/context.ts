import { resolve, join } from "node:path";
import type { Command } from "commander";
import type { BuildContext } from "../build/context.ts";
import { toolsTree, type ToolsSet } from "../build/tools-tree.ts";
import type { Progress } from "../core/progress.ts";
import { defaultCacheFolder } from "../host/cache-folder.ts";
import { hostFacts, missingOf } from "../host/requirements.ts";
import type { Run } from "../host/run.ts";
import type { Caller, Tools } from "../host/tools.ts";
import { hostNotReady } from "./host-not-ready.ts";
import type { NodeChoice } from "./nodes/options.ts";
import { humanOutput, jsonOutput, type Output, type Sinks } from "./output.ts";
import { jsonProgress, liveProgress, plainProgress, type Clock } from "./progress.ts";

/** The process as main.ts finds it: the only way a command reaches the machine, besides src/host. */
export interface Edge {
  readonly run: Run;
  readonly caller: Caller;
  readonly sinks: Sinks;
  /** The terminal or pipe that the process was started with. */
  readonly terminal: { readonly input: NodeJS.ReadStream; readonly output: NodeJS.WriteStream };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted by Ctrl-C and by SIGTERM. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Seconds since 1970. */
  readonly now: () => number;
  readonly random: (bytes: number) => Uint8Array;
}

/** What every command is given. */
export interface CliContext extends Edge, NodeChoice {
  readonly progress: Progress;
  readonly output: Output;
  readonly json: boolean;
  readonly cacheFolder: string;
  /** The exit code of a command that has done its work, where it is not 0. */
  readonly endWith: (exitCode: number) => void;
}

interface GlobalOptions {
  readonly json?: boolean;
  readonly cache?: string;
  readonly node?: readonly string[];
  readonly selector?: readonly string[];
  readonly all?: boolean;
}

/** The options that every command has. */
export function addGlobalOptions(program: Command): void {
  program
    .option("--json", "print one JSON document per line: progress, then the result or the error")
    .option("--cache <folder>", "keep what can be made again here (default: ~/.cache/petrify)");
}

function openContext(
  edge: Edge,
  endWith: CliContext["endWith"],
  { json = false, cache, node: nodes = [], selector: selectors = [], all: allNodes = false }: GlobalOptions,
): CliContext {
  const { sinks, clock } = edge;
  const progress = json
    ? jsonProgress(sinks, clock)
    : sinks.columns() > 0
      ? liveProgress(sinks, clock)
      : plainProgress(sinks, clock);
  return {
    ...edge,
    endWith,
    json,
    ...{ nodes, selectors, allNodes },
    progress,
    output: json ? jsonOutput(sinks) : humanOutput(sinks),
    cacheFolder: cache === undefined ? defaultCacheFolder(edge.env) : resolve(edge.cwd, cache),
  };
}

/** How a command file adds itself: `program.command(…).action(cli.action(async (context, …) => …))`. */
export interface Cli {
  /** Wraps the body of a command: it gets the context, then commander's arguments and options. */
  action<A extends unknown[]>(
    body: (context: CliContext, ...args: A) => Promise<void>,
  ): (...args: [...A, Command]) => Promise<void>;
}
export const openCli = (edge: Edge, endWith: CliContext["endWith"]): Cli => ({
  action:
    <A extends unknown[]>(body: (context: CliContext, ...args: A) => Promise<void>) =>
    async (...args: [...A, Command]) => {
      const command = args.at(-1) as Command;
      await body(openContext(edge, endWith, command.optsWithGlobals()), ...(args.slice(0, -1) as A));
    },
});

/**
 * The tools tree of this cache, bootstrapped when it is not there yet.
 *
 * @throws AppError `HOST_NOT_READY` when that fails on a host that lacks something
 */
export async function toolsOf(context: CliContext, set: ToolsSet = "build"): Promise<Tools> {
  const { cacheFolder, caller, run, progress, signal } = context;
  try {
    return await toolsTree({ folder: join(cacheFolder, "tools"), caller, run, progress, signal, set });
  } catch (error) {
    signal.throwIfAborted();
    const missing = missingOf(await hostFacts(run, caller, cacheFolder));
    throw missing.length > 0 ? hostNotReady(missing, error) : error;
  }
}

/** What a build is given. */
export const buildContextOf = async (context: CliContext): Promise<BuildContext> => ({
  ...context,
  tools: await toolsOf(context),
  containerTools: async () => await toolsOf(context, "containers"),
  mediaTools: async () => await toolsOf(context, "media"),
});
