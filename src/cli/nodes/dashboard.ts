import type { Command } from "commander";
import type { NodeConnection } from "../../client/open-node.ts";
import { AppError } from "../../core/error.ts";
import { wait } from "../../host/wait.ts";
import type { Cli, CliContext } from "../context.ts";
import { hasColours } from "../has-colours.ts";
import { UsageError } from "../output.ts";
import { typing } from "../typing.ts";
import type { DashboardState } from "./dashboard-view.ts";
import { eachNode, type AskedNode } from "./each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";
import { openScreen } from "./screen.ts";

/** Between two looks; milliseconds. */
const LOOK_MS = 2000;
const AGAIN_MS = 3000;
/** Entries of the log that are kept: no screen has more rows. */
const MOST_LOGS = 300;
const FIRST_LOGS = 100;
const WITHOUT_LOGS: ReadonlySet<string> = new Set(["LOGS_UNAVAILABLE", "NODE_TOO_OLD"]);
const CTRL_C = "\u0003";

/** `petrify dashboard NODE` */
export function registerNodeDashboard(program: Command, cli: Cli): void {
  const command = program
    .command("dashboard")
    .argument("[node]", "the machine, by name or address")
    .summary("how a machine does, while it does it")
    .description(
      "Shows on the terminal what runs on a machine, and how it does: slots, health, alarms, what changes an image now, load,\n" +
        "memory, and its log as it grows. It goes on when the machine restarts. The key q ends it.",
    );
  addNodeOptionsTo(command).addHelpText("after", "\nExamples:\n  petrify dashboard edge-7").action(cli.action(dashboard));
}

async function dashboard(context: CliContext, node: string | undefined, options: NodeOptions): Promise<void> {
  const nodes = node === undefined ? context.nodes : [node];
  if (nodes.length !== 1 || (node !== undefined && context.nodes.length > 0)) {
    throw new UsageError("USAGE", "a dashboard is of one machine", { hint: "petrify dashboard edge-7" });
  }
  const { output } = context.terminal;
  if (!output.isTTY || context.json) {
    throw new UsageError("USAGE", "a dashboard needs a terminal", { hint: `For programs: petrify -n ${nodes[0]} status --json` });
  }
  const quit = new AbortController();
  const signal = AbortSignal.any([context.signal, quit.signal]);
  try {
    await eachNode({ ...context, nodes, signal }, options, async (connection, _call, asked) => {
      const { dashboardLines } = await import("./dashboard-view.ts");
      let state: DashboardState = {
        node: asked.node,
        status: undefined,
        load: undefined,
        memory: undefined,
        lost: undefined,
        logs: [],
      };
      using screen = openScreen(output, (size) => dashboardLines(state, size, hasColours(context)));
      using _ = typing(context, (typed) => {
        if (typed.includes("q") || typed.includes(CTRL_C)) quit.abort();
      });
      await watched(connection, asked, signal, (change) => {
        state = { ...state, ...change(state) };
        screen.draw();
      });
    });
  } catch (error) {
    // The one that was left by its own key has done its work.
    if (!quit.signal.aborted || context.signal.aborted) throw error;
  }
}

type Change = (change: (state: DashboardState) => Partial<DashboardState>) => void;

/** Until the signal is aborted, whatever becomes of the machine. */
async function watched(first: NodeConnection, { open, failure }: AskedNode, signal: AbortSignal, change: Change): Promise<never> {
  const follow = await logFollower(failure);
  const session = async (connection: NodeConnection): Promise<void> => {
    const ended = new AbortController();
    const either = AbortSignal.any([signal, ended.signal]);
    try {
      await Promise.all([look(connection, either, change), follow(connection, either, change)]);
    } finally {
      ended.abort();
    }
  };
  for (let isFirst = true; ; isFirst = false) {
    try {
      if (isFirst) await session(first);
      else {
        await using connection = await open();
        await session(connection);
      }
    } catch (error) {
      signal.throwIfAborted();
      const known = failure(error);
      if (!(known instanceof AppError)) throw known;
      change(() => ({ lost: known.message }));
    }
    await wait(AGAIN_MS, signal);
  }
}

async function look({ node, client }: NodeConnection, signal: AbortSignal, change: Change): Promise<never> {
  const [{ unary }, { SystemService }] = await Promise.all([
    import("../../client/open-node.ts"),
    import("../../protocol/petrify/v1/system_pb.ts"),
  ]);
  for (;;) {
    const call = unary(signal);
    const system = client(SystemService);
    const [status, load, memory] = await Promise.all([
      node.status({}, call),
      // A machine may be older than these calls: what it says of itself is shown all the same.
      system.load({}, call).catch(() => undefined),
      system.memory({}, call).catch(() => undefined),
    ]);
    change(() => ({ status, load, memory, lost: undefined }));
    await wait(LOOK_MS, signal);
  }
}

/** Goes on where it was when it is called for another connection. */
async function logFollower(failure: AskedNode["failure"]) {
  const { LogService } = await import("../../protocol/petrify/v1/log_pb.ts");
  let after = "";
  return async ({ client }: NodeConnection, signal: AbortSignal, change: Change): Promise<void> => {
    const begin = after === "" ? { lines: FIRST_LOGS } : { after };
    try {
      for await (const { entries, cursor } of client(LogService).logs({ ...begin, follow: true }, { signal })) {
        after = cursor;
        change(({ logs }) => ({ logs: [...logs, ...entries].slice(-MOST_LOGS) }));
      }
    } catch (error) {
      signal.throwIfAborted();
      const known = failure(error);
      // There may be no journal: a machine is more than its log.
      if (!(known instanceof AppError && WITHOUT_LOGS.has(known.code))) throw known;
    }
  };
}
