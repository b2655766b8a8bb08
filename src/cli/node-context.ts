import type { Command } from "commander";
import { AppError } from "../core/error.ts";
import type { Run } from "../host/run.ts";
import { humanOutput, jsonOutput, type Output, type Sinks } from "./output.ts";
import type { Clock } from "./progress.ts";

/** The process as node-main.ts finds it. It knows nothing of builds and virtual machines: all of it is in every image. */
export interface NodeEdge {
  readonly run: Run;
  readonly sinks: Sinks;
  /** The terminal or pipe that the process was started with. */
  readonly input: NodeJS.ReadStream;
  /** Where the running system is: `/`. Tests have one in a folder. */
  readonly root: string;
  readonly cwd: string;
  /** Aborted by Ctrl-C and by SIGTERM. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** What every command on the node is given. */
export interface NodeContext extends NodeEdge {
  readonly output: Output;
  readonly json: boolean;
  /** The exit code of a command that has done its work, where it is not 0. */
  readonly endWith: (exitCode: number) => void;
}

/** How a command file adds itself: `program.command(…).action(cli.action(async (context, …) => …))`. */
export interface NodeCli {
  /** Wraps the body of a command: it gets the context, then commander's arguments and options. */
  action<A extends unknown[]>(
    body: (context: NodeContext, ...args: A) => Promise<void>,
  ): (...args: [...A, Command]) => Promise<void>;
}

export const openNodeCli = (edge: NodeEdge, endWith: NodeContext["endWith"]): NodeCli => ({
  action:
    <A extends unknown[]>(body: (context: NodeContext, ...args: A) => Promise<void>) =>
    async (...args: [...A, Command]) => {
      const { json = false } = (args.at(-1) as Command).optsWithGlobals<{ json?: boolean }>();
      const output = json ? jsonOutput(edge.sinks) : humanOutput(edge.sinks);
      try {
        await body({ ...edge, json, output, endWith }, ...(args.slice(0, -1) as A));
      } catch (cause) {
        const { code, message } = cause as NodeJS.ErrnoException;
        if (code !== "EACCES") throw cause;
        throw new AppError("NOT_PERMITTED", message, { hint: "Run it as root.", cause });
      }
    },
});
