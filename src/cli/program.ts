import type { Command } from "commander";
import { registerBuild } from "./build.ts";
import { registerCa } from "./ca/ca.ts";
import { registerClean } from "./clean.ts";
import { helpSections, newProgram, runProgram } from "./command-line.ts";
import { addGlobalOptions, openCli, type Cli, type Edge } from "./context.ts";
import { registerConfig } from "./config/config.ts";
import { registerContext } from "./contexts/contexts.ts";
import { registerCopy } from "./copy.ts";
import { configVolumeFor, diskFor, netbootFor, testDiskFor, vmDiskFor } from "./disk-for.ts";
import { registerApplyConfig } from "./enrol/apply-config.ts";
import { registerApplyTrust } from "./enrol/apply-trust.ts";
import { registerDelta } from "./delta/delta.ts";
import { registerDiffImage } from "./diff-image.ts";
import { registerFlash } from "./flash.ts";
import { registerGen } from "./gen/gen.ts";
import { registerInit } from "./init.ts";
import { registerInspect } from "./inspect.ts";
import { registerControlAudit } from "./control/audit.ts";
import { registerControlReboot, registerControlShutdown } from "./control/power.ts";
import { registerControlReset } from "./control/reset.ts";
import { registerControlRollback } from "./control/rollback.ts";
import { registerControlService } from "./control/service.ts";
import { registerControlUpgrade } from "./control/upgrade.ts";
import { addNodeOptions } from "./nodes/options.ts";
import { registerCgroups } from "./look/cgroups.ts";
import { registerContainers } from "./look/containers.ts";
import { registerCpu } from "./look/cpu.ts";
import { registerNodeDiff } from "./look/diff.ts";
import { registerDisks } from "./look/disks.ts";
import { registerLs } from "./look/ls.ts";
import { registerLoad } from "./look/load.ts";
import { registerMemory } from "./look/memory.ts";
import { registerMounts } from "./look/mounts.ts";
import { registerNetwork } from "./look/network.ts";
import { registerProcesses } from "./look/processes.ts";
import { registerRead } from "./look/read.ts";
import { registerServices } from "./look/services.ts";
import { registerTime } from "./look/time.ts";
import { registerNodeDashboard } from "./nodes/dashboard.ts";
import { registerNodeCp } from "./nodes/cp.ts";
import { registerNodeDmesg } from "./nodes/dmesg.ts";
import { registerNodeEvents } from "./nodes/events.ts";
import { registerNodeLogs } from "./nodes/logs.ts";
import { registerNodePcap } from "./nodes/pcap.ts";
import { registerNodeSupport } from "./nodes/support.ts";
import { registerUsage } from "./look/usage.ts";
import { registerNodeHealth } from "./nodes/health.ts";
import { registerNodeHistory } from "./nodes/history.ts";
import { registerNodeStatus } from "./nodes/status.ts";
import { registerNodeVersion } from "./nodes/version.ts";
import { registerPull } from "./pull.ts";
import { registerPush } from "./push.ts";
import { registerKeys } from "./keys/keys.ts";
import { registerQuickstart } from "./quickstart.ts";
import { registerReleases } from "./releases.ts";
import { registerRun } from "./run.ts";
import { registerServe } from "./serve/serve.ts";
import { registerSign } from "./sign.ts";
import { registerTestImage } from "./test-image.ts";
import { registerVerify } from "./verify.ts";
import { registerWipe } from "./wipe.ts";
import { registerVm } from "./vm/vm.ts";

/** Adds one command to the program. */
type Register = (program: Command, cli: Cli) => void;

/** By what they are for, as the help shows them. */
const COMMANDS: readonly (readonly [heading: string, commands: readonly Register[]])[] = [
  [
    "Make images and machines of them:",
    [
      registerQuickstart,
      registerInit,
      registerBuild,
      (program, cli) => registerRun(program, cli, { configVolumeFor, diskFor, netbootFor }),
      (program, cli) => registerTestImage(program, cli, testDiskFor),
      (program, cli) => registerVm(program, cli, { configVolumeFor, diskFor: vmDiskFor }),
      (program, cli) => registerFlash(program, cli, diskFor),
      registerWipe,
      (program, cli) => registerServe(program, cli, netbootFor),
      registerClean,
    ],
  ],
  ["Look into images:", [registerInspect, registerDiffImage, registerVerify]],
  ["Releases:", [registerDelta, registerPush, registerPull, registerKeys, registerSign, registerCopy, registerReleases]],
  ["Own machines:", [registerConfig, registerGen, registerCa, registerContext, registerApplyConfig, registerApplyTrust]],
  [
    "Change machines:",
    [
      registerControlUpgrade,
      registerControlRollback,
      registerControlReboot,
      registerControlShutdown,
      registerControlReset,
      registerControlService,
      registerControlAudit,
    ],
  ],
  [
    "Look at machines:",
    [
      registerNodeVersion,
      registerNodeStatus,
      registerNodeLogs,
      registerNodeEvents,
      registerNodeSupport,
      registerNodeDmesg,
      registerNodePcap,
      registerNodeDashboard,
      registerNodeHealth,
      registerNodeHistory,
      registerServices,
      registerProcesses,
      registerMemory,
      registerCpu,
      registerLoad,
      registerDisks,
      registerMounts,
      registerNetwork,
      registerTime,
      registerCgroups,
      registerContainers,
      registerNodeDiff,
      registerLs,
      registerUsage,
      registerRead,
      registerNodeCp,
    ],
  ],
];

/** The command line as commander sees it; every command file adds its own. */
function buildProgram(cli: Cli, out: (text: string) => void, version: string): Command {
  const program = newProgram("Turns a Linux distribution into an immutable OS image, and runs it.", out, version);
  addGlobalOptions(program);
  addNodeOptions(program);
  for (const [heading, commands] of COMMANDS) {
    program.commandsGroup(heading);
    for (const register of commands) register(program, cli);
  }
  return program;
}

/** Runs one command line to its end. @returns the exit code */
export async function runCli(edge: Edge, args: readonly string[], version: string): Promise<number> {
  let wanted = 0;
  const cli = openCli(edge, (exitCode) => void (wanted = exitCode));
  const exitCode = await runProgram(() => buildProgram(cli, edge.sinks.out, version), edge, args);
  return exitCode === 0 ? wanted : exitCode;
}

/** The help of every command, as docs/cli.md shows it. */
export function documentedHelp(): string {
  const program = buildProgram({ action: () => async () => {} }, () => {}, "");
  return helpSections(program, "##");
}
