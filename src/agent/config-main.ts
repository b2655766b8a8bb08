/**
 * Works on the machine config, in a process of its own: its parser and its compiler are loaded for nothing else. Nothing imports this file. What to do is a
 * JSON document on its standard input (a config holds secrets); a JSON document says what came of it, and what was left out is in the log.
 */
import { createHash, randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import { AppError } from "../core/error.ts";
import { takeLock } from "../host/lock-file.ts";
import { machineArchitecture } from "../host/architecture.ts";
import { EC2_HOST } from "../host/config-sources/ec2.ts";
import { openEventLog } from "../host/event-log.ts";
import { mountedAt } from "../host/file-system.ts";
import { readText } from "../host/files.ts";
import { openGenerationStore } from "../host/generation-store.ts";
import { run } from "../host/run.ts";
import { keepSeenSources } from "../host/seen-sources.ts";
import { trustAuthorities } from "../host/trust-authorities.ts";
import { useProxies } from "../host/use-proxies.ts";
import { AUTHORITIES_PATH } from "../layout/authorities-path.ts";
import { helperProgram } from "../layout/own-programs.ts";
import { CONFIG_LOCK, parseRunConfig, RUN_CONFIG_PATH } from "../layout/run-config.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { findConfig, type FoundConfig } from "./config-sources.ts";
import { keptConfig, type KeptConfig } from "./config-sources/kept-config.ts";
import { nodeSources } from "./config-sources/node-means.ts";
import { carryOut } from "./config/carry-out.ts";
import { configPlace } from "./config/place.ts";
import { openNodePorts, type NodePorts } from "./config/node-ports.ts";
import type { ConfigAnswers, ConfigWork, FoundDocuments, LockedWork } from "./config/work.ts";
import { DATA_FOLDERS } from "./degraded.ts";
import { openInstance } from "./stages/open-instance.ts";
import { proxySettings } from "./proxy-settings.ts";
import { workerError } from "./worker.ts";

const work = JSON.parse(await text(process.stdin)) as ConfigWork;
const isBooting = work.do === "boot";
/** A boot goes on without what hangs. */
const BOOT_LIMIT_MS = 240_000;
const tell = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const log = openEventLog("petrify-config", { write: (line) => void process.stderr.write(line) });

if (isBooting) setTimeout(giveUp, BOOT_LIMIT_MS).unref();
try {
  tell(await answerTo(work));
} catch (error) {
  log(3, `the machine config: ${(error as Error).message}`);
  tell(workerError(error, "CONFIG_WORK_FAILED"));
}

function giveUp(): never {
  log(3, `the machine config is not in place after ${BOOT_LIMIT_MS / 1000} s: the boot goes on without it`);
  process.exit();
}

/** Looking changes nothing and may take long: nobody has to wait for it. */
async function answerTo(request: ConfigWork): Promise<object> {
  if (request.do === "find") return documentsOf(await look("network"));
  if (request.do !== "sources") return await alone(request);
  const { sources, waitsForNetwork, instance } = await look(request.local ? "local" : "network");
  return { sources, waitsForNetwork, ...(instance === undefined ? {} : { instance }) } satisfies ConfigAnswers["sources"];
}

/** @throws AppError `CONFIG_BUSY` */
async function alone(locked: LockedWork): Promise<object> {
  await using lock = await takeLock(CONFIG_LOCK);
  if (!lock)
    throw new AppError("CONFIG_BUSY", "a machine config is being applied right now, or what differs from it is being mended", {
      hint: "Try again in a moment.",
    });
  const ports = await openNodePorts({
    ...{ run, isBooting, architecture: machineArchitecture() },
    stageRunner: [helperProgram("stage")],
    ...{ now: () => Math.floor(Date.now() / 1000), random: randomBytes },
    sha1: (bytes) => createHash("sha1").update(bytes).digest(),
  });
  for (const problem of ports.store.problems) log(4, problem);
  const find = async (): Promise<FoundDocuments> => {
    const { generation } = await ports.running();
    // Nobody can be reached before there is a network, which may have to come out of this very config.
    return documentsOf(await found(await keptConfig(ports.store, generation), "local"));
  };
  const nowSeen = async (): Promise<void> => await keepSeenSources(ports.folder);
  if (!isBooting) return await carryOut(locked, { ...ports, find, beInstance, nowSeen });
  try {
    const result = await carryOut(locked, { ...ports, find, beInstance, nowSeen });
    tellBoot(result as ConfigAnswers["boot"]);
    return result;
  } catch (error) {
    await keepReason(ports, error);
    throw error;
  }
}

async function beInstance({ instance, awaitsName }: Pick<FoundDocuments, "instance" | "awaitsName">): Promise<boolean> {
  const store = await openInstance(parseRunFacts(await readText(RUN_FACTS_PATH)));
  try {
    if (instance !== undefined) return await store.be(instance);
    if (awaitsName) await store.awaitName();
  } catch (error) {
    log(4, (error as Error).message);
  }
  return false;
}

/** A declaration, as all of them here: the work above begins before a value below it is there. */
async function found({ documents, environment }: KeptConfig, phase: "local" | "network"): Promise<FoundConfig> {
  if (phase === "network") {
    await trustAuthorities(AUTHORITIES_PATH).catch((error: unknown) => log(4, (error as Error).message));
    useProxies({ ...proxySettings(process.env), ...environment }, [EC2_HOST]);
  }
  const hasData = async (): Promise<boolean> => (await mountedAt(DATA_FOLDERS.persistent, "ext4")) !== undefined;
  const edge = { root: "/", kept: documents, hasData, signal: new AbortController().signal };
  return await findConfig(await nodeSources(edge), phase);
}

async function look(phase: "local" | "network"): Promise<FoundConfig> {
  const { folder } = await configPlace(parseRunFacts(await readText(RUN_FACTS_PATH)));
  const { generation } = parseRunConfig(await readText(RUN_CONFIG_PATH).catch(() => "")) ?? {};
  return await found(await keptConfig(await openGenerationStore(folder), generation), phase);
}

function documentsOf({ documents, problems, waitsForNetwork, sources, instance }: FoundConfig): FoundDocuments {
  // Only what a source says makes it another machine: one that is silent today said something once.
  const told = sources.findLast((source) => source.instance !== undefined)?.instance;
  const named = told === undefined ? (instance === undefined ? { awaitsName: true as const } : {}) : { instance: told };
  return { documents, problems, waitsForNetwork, ...named };
}

function tellBoot(result: ConfigAnswers["boot"]): void {
  if ("none" in result) return log(6, "there is no machine config");
  if ("same" in result) {
    for (const problem of result.problems) log(4, problem);
    return log(6, "the machine config is as it was");
  }
  for (const problem of result.problems) log(4, `left out of machine config ${result.generation}: ${problem}`);
  log(6, `machine config ${result.generation} ${result.trial ? "is tried by the next boot" : "is in place"}`, {
    kind: "config-applied",
    config: { ...(result.generation === undefined ? {} : { generation: result.generation }), mode: "boot" },
  });
}

/** A boot goes on without its config, and its status says why. */
async function keepReason(ports: NodePorts, error: unknown): Promise<void> {
  const running = await ports.running();
  await ports.nowRuns({ ...running, notes: [...running.notes, `the machine config is not made: ${(error as Error).message}`] });
}
