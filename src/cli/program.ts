import type { Command } from "commander";
import { helpSections, newProgram, runProgram } from "./command-line.ts";
import { addGlobalOptions, openCli, type Cli, type Edge } from "./context.ts";
import { addNodeOptions } from "./nodes/options.ts";

/** Adds commands to the program. */
type Register = (program: Command, cli: Cli) => void;
/** By their words, with blanks between them. Their modules are loaded when one of the words is there: all of them take longer than most commands do. */
type Row = readonly [words: string, load: () => Promise<Register>];

/** By what they are for, as the help shows them. */
const COMMANDS: readonly (readonly [heading: string, commands: readonly Row[]])[] = [
  [
    "Make images and machines of them:",
    [
      ["quickstart", async () => (await import("./quickstart.ts")).registerQuickstart],
      ["init", async () => (await import("./init.ts")).registerInit],
      ["build", async () => (await import("./build.ts")).registerBuild],
      [
        "run",
        async () => {
          const [{ registerRun }, means] = await Promise.all([import("./run.ts"), import("./disk-for.ts")]);
          return (program, cli) => registerRun(program, cli, means);
        },
      ],
      [
        "test",
        async () => {
          const [{ registerTestImage }, { testDiskFor }] = await Promise.all([
            import("./test-image.ts"),
            import("./disk-for.ts"),
          ]);
          return (program, cli) => registerTestImage(program, cli, testDiskFor);
        },
      ],
      [
        "vm",
        async () => {
          const [{ registerVm }, { configVolumeFor, vmDiskFor: diskFor }] = await Promise.all([
            import("./vm/vm.ts"),
            import("./disk-for.ts"),
          ]);
          return (program, cli) => registerVm(program, cli, { configVolumeFor, diskFor });
        },
      ],
      [
        "flash",
        async () => {
          const [{ registerFlash }, { diskFor }] = await Promise.all([import("./flash.ts"), import("./disk-for.ts")]);
          return (program, cli) => registerFlash(program, cli, diskFor);
        },
      ],
      ["wipe", async () => (await import("./wipe.ts")).registerWipe],
      [
        "serve",
        async () => {
          const [{ registerServe }, { netbootFor }] = await Promise.all([import("./serve/serve.ts"), import("./disk-for.ts")]);
          return (program, cli) => registerServe(program, cli, netbootFor);
        },
      ],
      ["clean", async () => (await import("./clean.ts")).registerClean],
    ],
  ],
  [
    "Look into images:",
    [
      ["inspect", async () => (await import("./inspect.ts")).registerInspect],
      ["diff-image", async () => (await import("./diff-image.ts")).registerDiffImage],
      ["verify", async () => (await import("./verify.ts")).registerVerify],
    ],
  ],
  [
    "Releases:",
    [
      ["delta plan-update", async () => (await import("./delta/delta.ts")).registerDelta],
      ["push", async () => (await import("./push.ts")).registerPush],
      ["pull", async () => (await import("./pull.ts")).registerPull],
      ["keys", async () => (await import("./keys/keys.ts")).registerKeys],
      ["sign", async () => (await import("./sign.ts")).registerSign],
      ["copy", async () => (await import("./copy.ts")).registerCopy],
      ["releases", async () => (await import("./releases.ts")).registerReleases],
    ],
  ],
  [
    "Own machines:",
    [
      ["config", async () => (await import("./config/config.ts")).registerConfig],
      ["gen", async () => (await import("./gen/gen.ts")).registerGen],
      ["ca", async () => (await import("./ca/ca.ts")).registerCa],
      ["context", async () => (await import("./contexts/contexts.ts")).registerContext],
      ["apply-config", async () => (await import("./enrol/apply-config.ts")).registerApplyConfig],
      ["apply-trust", async () => (await import("./enrol/apply-trust.ts")).registerApplyTrust],
    ],
  ],
  [
    "Change machines:",
    [
      ["upgrade", async () => (await import("./control/upgrade.ts")).registerControlUpgrade],
      ["rollback", async () => (await import("./control/rollback.ts")).registerControlRollback],
      ["reboot", async () => (await import("./control/power.ts")).registerControlReboot],
      ["shutdown", async () => (await import("./control/power.ts")).registerControlShutdown],
      ["reset", async () => (await import("./control/reset.ts")).registerControlReset],
      ["updates", async () => (await import("./control/updates.ts")).registerControlUpdates],
      ["lock", async () => (await import("./control/lock.ts")).registerControlLock],
      ["service", async () => (await import("./control/service.ts")).registerControlService],
      ["audit", async () => (await import("./control/audit.ts")).registerControlAudit],
    ],
  ],
  [
    "Look at machines:",
    [
      ["version", async () => (await import("./nodes/version.ts")).registerNodeVersion],
      ["status", async () => (await import("./nodes/status.ts")).registerNodeStatus],
      ["logs", async () => (await import("./nodes/logs.ts")).registerNodeLogs],
      ["events", async () => (await import("./nodes/events.ts")).registerNodeEvents],
      ["support", async () => (await import("./nodes/support.ts")).registerNodeSupport],
      ["dmesg", async () => (await import("./nodes/dmesg.ts")).registerNodeDmesg],
      ["debug", async () => (await import("./nodes/debug.ts")).registerNodeDebug],
      ["pcap", async () => (await import("./nodes/pcap.ts")).registerNodePcap],
      ["dashboard", async () => (await import("./nodes/dashboard.ts")).registerNodeDashboard],
      ["health", async () => (await import("./nodes/health.ts")).registerNodeHealth],
      ["history", async () => (await import("./nodes/history.ts")).registerNodeHistory],
      ["services", async () => (await import("./look/services.ts")).registerServices],
      ["processes ps", async () => (await import("./look/processes.ts")).registerProcesses],
      ["memory free", async () => (await import("./look/memory.ts")).registerMemory],
      ["cpu", async () => (await import("./look/cpu.ts")).registerCpu],
      ["load uptime", async () => (await import("./look/load.ts")).registerLoad],
      ["disks", async () => (await import("./look/disks.ts")).registerDisks],
      ["mounts df", async () => (await import("./look/mounts.ts")).registerMounts],
      ["network", async () => (await import("./look/network.ts")).registerNetwork],
      ["time", async () => (await import("./look/time.ts")).registerTime],
      ["cgroups", async () => (await import("./look/cgroups.ts")).registerCgroups],
      ["containers stats", async () => (await import("./look/containers.ts")).registerContainers],
      ["diff", async () => (await import("./look/diff.ts")).registerNodeDiff],
      ["ls", async () => (await import("./look/ls.ts")).registerLs],
      ["usage du", async () => (await import("./look/usage.ts")).registerUsage],
      ["read", async () => (await import("./look/read.ts")).registerRead],
      ["cp", async () => (await import("./nodes/cp.ts")).registerNodeCp],
    ],
  ],
];

const MACHINES = `
Machines are chosen by -n NAMES, -l LABELS or --all, before the command or after:
  petrify -n edge-7,edge-8 status
  petrify -l site=berlin upgrade registry.example/edge:1.5.0
`;

const WORDS: ReadonlySet<string> = new Set(COMMANDS.flatMap(([, commands]) => commands.flatMap(([words]) => words.split(" "))));

/** Among these words is the command, if there is one. @returns nothing where all commands are needed: for help, and for what somebody may have meant */
function wordsAmong(args: readonly string[]): readonly string[] | undefined {
  const [first = ""] = args;
  const isClear = WORDS.has(first) || (first.startsWith("-") && !args.includes("--help") && !args.includes("-h"));
  return isClear && args.some((word) => WORDS.has(word)) ? args : undefined;
}

/**
 * The command line as commander sees it; every command file adds its own.
 *
 * @param among only commands of which one of the words is there; nothing for all
 */
async function buildProgram(
  cli: Cli,
  out: (text: string) => void,
  version: string,
  among: readonly string[] | undefined,
): Promise<Command> {
  const program = newProgram(
    "Turns a Linux distribution into an immutable OS, and looks after the machines that run it.",
    out,
    version,
  );
  addGlobalOptions(program);
  addNodeOptions(program);
  program.addHelpText("after", MACHINES);
  for (const [heading, commands] of COMMANDS) {
    program.commandsGroup(heading);
    const wanted = commands.filter(([words]) => !among || words.split(" ").some((word) => among.includes(word)));
    for (const register of await Promise.all(wanted.map(async ([, load]) => await load()))) register(program, cli);
  }
  return program;
}

/** Runs one command line to its end. @returns the exit code */
export async function runCli(edge: Edge, args: readonly string[], version: string): Promise<number> {
  let wanted = 0;
  const cli = openCli(edge, (exitCode) => void (wanted = exitCode));
  const exitCode = await runProgram(async () => await buildProgram(cli, edge.sinks.out, version, wordsAmong(args)), edge, args);
  return exitCode === 0 ? wanted : exitCode;
}

/** The help of every command, as docs/cli.md shows it. */
export async function documentedHelp(): Promise<string> {
  const program = await buildProgram({ action: () => async () => {} }, () => {}, "", undefined);
  return helpSections(program, "##");
}
