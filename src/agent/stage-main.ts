/**
 * Runs the stages of one name, in a process of its own. Nothing imports this file. Its argument is the name: `fs` stands for `fs.before`, `fs` and `fs.after`.
 * What came of it is a file in `/run/petrify/stages`; of a boot's the exit status is 1 where a step failed whose
 * `on_error` is `fail`.
 */
import { dirname } from "node:path";
import { withFiles } from "../config/machine/compile/own-steps.ts";
import { STAGE_NAMES } from "../config/machine/stages.ts";
import { hex } from "../core/digest.ts";
import { machineArchitecture } from "../host/architecture.ts";
import { configMachine } from "../host/config-machine.ts";
import { openEventLog } from "../host/event-log.ts";
import { readText } from "../host/files.ts";
import { openGenerationStore, type GenerationStore } from "../host/generation-store.ts";
import { takeLock } from "../host/lock-file.ts";
import { run } from "../host/run.ts";
import { sha256 } from "../host/sha256.ts";
import { keepDrift, keepStageRun, parameter } from "../host/stage-machine.ts";
import { useProxies } from "../host/use-proxies.ts";
import { CONFIG_LOCK, runOf } from "../layout/run-config.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { ANSWERED, APPLIED, hasFailed } from "../layout/stage-results.ts";
import { readAbout, readGeneration, readStagePlan } from "./config/generation-files.ts";
import { configPlace } from "./config/place.ts";
import { openStagePorts } from "./stages/node-stage-ports.ts";
import { lookAtDrift } from "./stages/drift.ts";
import { openInstance } from "./stages/open-instance.ts";
import type { StagePorts } from "./stages/ports.ts";
import { runStages, type StagesToRun } from "./stages/run-stages.ts";

/** While these run, the init has not come to most services. */
const EARLY = ["fs", "boot"];
const BOOT = [...EARLY, "network"];
const ONLINE = ["network", ANSWERED];
/** Until there is a network. */
const ONLINE_MS = 120_000;
/** Of sd-daemon(3), and of the kernel's log. */
const PRIORITIES = { error: 3, info: 6, output: 6 } as const;

const [name = ""] = process.argv.slice(2);
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop.abort());
const say = openEventLog("petrify-stage", { write: (text) => void process.stderr.write(text) });
const log: StagePorts["log"] = (level, line, event) => {
  if (level === "output") process.stdout.write(`<${PRIORITIES[level]}>${line}\n`);
  else say(PRIORITIES[level], line, event);
};

try {
  await main();
} catch (error) {
  log("error", `stage ${name}: ${(error as Error).message}`);
  process.exitCode = 1;
}

/** @throws AppError `RUN_FACTS_INVALID`, `INIT_UNKNOWN`; NodeJS.ErrnoException */
async function main(): Promise<void> {
  const facts = parseRunFacts(await readText(RUN_FACTS_PATH));
  const { folder } = await configPlace(facts);
  const store = await openGenerationStore(folder);
  const { generation, awaits } = await configMachine(run, "/").running();
  const plan = generation === undefined ? undefined : await readStagePlan(store, generation);
  if (plan) {
    const ports = await openStagePorts({
      ...{ run, facts, architecture: machineArchitecture(), programs: dirname(process.execPath), store, log },
      ...{ instance: await openInstance(facts), isBooting: EARLY.includes(name), stopping: stop.signal },
      sha256: (text) => hex(sha256.digest(new TextEncoder().encode(text))),
      uptime: () => performance.now(),
      now: () => Math.floor(Date.now() / 1000),
    });
    useProxies(plan.environment);
    if (ONLINE.includes(name)) await networkOnline(ports);
    if (name === "reconcile") await drift(generation!, store, ports);
    // What is done once is of a boot.
    const once = { disks: [], fileSystems: [], mounts: [], commands: [] };
    const isHeld = name === "network" && (awaits === true || (await readAbout(store, generation!))?.awaits === true);
    if (isHeld && plan.once.commands.length > 0)
      log("info", "runcmd waits until all that is asked for the machine config has answered");
    const work: Pick<StagesToRun, "plan" | "stages"> =
      name === APPLIED
        ? { plan: { ...withFiles(plan, "files"), once }, stages: STAGE_NAMES }
        : {
            plan: isHeld ? { ...plan, once: { ...plan.once, commands: [] } } : plan,
            ...(name === ANSWERED && { stages: STAGE_NAMES.filter((stage) => runOf(stage) === "network") }),
          };
    const ended = await runStages({ run: name, generation, problems: ports.instance.problems, ...work }, ports, keepStageRun);
    // Whoever starts another one reads what came of it: a unit that has failed would be one of the machine's.
    if (hasFailed(ended) && BOOT.includes(name)) process.exitCode = 1;
  } else log("info", `stage ${name}: this boot has no machine config with stages`);
}

/** Not while somebody changes the config: it would be taken for drift. */
async function drift(of: number, store: GenerationStore, ports: StagePorts): Promise<void> {
  await using lock = await takeLock(CONFIG_LOCK);
  if (!lock || (await configMachine(run, "/").half()) !== undefined)
    return log("info", "whether the machine is as its config says is not looked at: that is being changed");
  const found = await readGeneration(store, of);
  if (found) await lookAtDrift(of, found.compiled, { ...ports, parameter, keepDrift });
  else log("error", `machine config ${of} cannot be read: whether the machine is as it says is not known`);
}

/** Only who needs it waits for it; without one the stage says itself what it lacks. */
async function networkOnline({ init, run: start }: StagePorts): Promise<void> {
  if (init !== "systemd") return;
  await start(["systemctl", "start", "network-online.target"], { timeoutMs: ONLINE_MS }).catch((error: unknown) =>
    log("error", `the network is not there: ${(error as Error).message.split("\n")[0]}`),
  );
}
