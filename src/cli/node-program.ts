import type { Command } from "commander";
import { helpSections, newProgram, runProgram } from "./command-line.ts";
import { registerAudit } from "./audit/audit.ts";
import { registerNodeConfig } from "./config/node-config.ts";
import { registerDiff } from "./diff.ts";
import { registerEnrolNode } from "./enrol-node.ts";
import { registerHistory } from "./history.ts";
import { registerInstall } from "./install.ts";
import { openNodeCli, type NodeCli, type NodeEdge } from "./node-context.ts";
import { registerLock } from "./lock.ts";
import { registerReboot } from "./reboot.ts";
import { registerReset } from "./reset.ts";
import { registerResetPath } from "./reset-path.ts";
import { registerRollback } from "./rollback.ts";
import { registerScrub } from "./scrub.ts";
import { registerSlots } from "./slots.ts";
import { registerStatus } from "./status.ts";
import { registerSupport } from "./support.ts";
import { registerUpdates } from "./updates/updates.ts";
import { registerUpgrade } from "./upgrade.ts";
import { registerNodeWipe } from "./node-wipe.ts";

/** Adds one command to the program. */
type Register = (program: Command, cli: NodeCli) => void;

const COMMANDS: readonly Register[] = [
  registerStatus,
  registerNodeConfig,
  registerUpgrade,
  registerRollback,
  registerUpdates,
  registerReboot,
  registerLock,
  registerSlots,
  registerHistory,
  registerAudit,
  registerSupport,
  registerScrub,
  registerInstall,
  registerDiff,
  registerEnrolNode,
  registerResetPath,
  registerReset,
  registerNodeWipe,
];

/** The commands of a node, as commander sees them; every command file adds its own. */
function buildProgram(cli: NodeCli, out: (text: string) => void, version: string): Command {
  const program = newProgram("Looks after this node.", out, version);
  program.option("--json", "print one JSON document per line: the result or the error");
  for (const register of COMMANDS) register(program, cli);
  return program;
}

/** Runs one command line on the node to its end. @returns the exit code */
export async function runNodeCli(edge: NodeEdge, args: readonly string[], version: string): Promise<number> {
  let wanted = 0;
  const cli = openNodeCli(edge, (exitCode) => void (wanted = exitCode));
  const exitCode = await runProgram(() => buildProgram(cli, edge.sinks.out, version), edge, args);
  return exitCode === 0 ? wanted : exitCode;
}

/** The help of every command, as docs/cli.md shows it. */
export function documentedNodeHelp(): string {
  const program = buildProgram({ action: () => async () => {} }, () => {}, "");
  return helpSections(program, "###");
}
