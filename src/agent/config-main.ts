/**
 * Works on the machine config, in a process of its own: its parser and its compiler are loaded for nothing else. Nothing imports this file. What to do is a
 * JSON document on its standard input (a config holds secrets); a JSON document says what came of it, and what was left out is in the log.
 */
import { createHash, randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import { AppError } from "../core/error.ts";
import { takeLock } from "../host/lock-file.ts";
import { machineArchitecture } from "../host/architecture.ts";
import { run } from "../host/run.ts";
import { CONFIG_LOCK } from "../layout/run-config.ts";
import { findConfig } from "./config-sources.ts";
import { carryOut } from "./config/carry-out.ts";
import { openNodePorts, type NodePorts } from "./config/node-ports.ts";
import type { ConfigAnswers, ConfigWork } from "./config/work.ts";
import { workerError } from "./worker.ts";

const work = JSON.parse(await text(process.stdin)) as ConfigWork;
const isBooting = work.do === "boot";
const tell = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
/** Priorities of sd-daemon(3), which the kernel's log has, too. */
const log = (priority: 3 | 4 | 6, line: string): void => void process.stderr.write(`<${priority}>${line}\n`);

try {
  tell(await alone());
} catch (error) {
  log(3, `the machine config: ${(error as Error).message}`);
  tell(workerError(error, "CONFIG_WORK_FAILED"));
}

/** @throws AppError `CONFIG_BUSY` */
async function alone(): Promise<object> {
  await using lock = await takeLock(CONFIG_LOCK);
  if (!lock) throw new AppError("CONFIG_BUSY", "a machine config is being applied right now", { hint: "Try again in a moment." });
  const ports = await openNodePorts({
    ...{ run, isBooting, architecture: machineArchitecture() },
    ...{ now: () => Math.floor(Date.now() / 1000), random: randomBytes },
    sha1: (bytes) => createHash("sha1").update(bytes).digest(),
  });
  for (const problem of ports.store.problems) log(4, problem);
  if (!isBooting) return await carryOut(work, { ...ports, find: findConfig });
  try {
    const result = await carryOut(work, { ...ports, find: findConfig });
    tellBoot(result as ConfigAnswers["boot"]);
    return result;
  } catch (error) {
    await keepReason(ports, error);
    throw error;
  }
}

function tellBoot(result: ConfigAnswers["boot"]): void {
  if ("none" in result) return log(6, "there is no machine config");
  for (const problem of result.problems) log(4, `left out of machine config ${result.generation}: ${problem}`);
  log(6, `machine config ${result.generation} is in place`);
}

/** A boot goes on without its config, and its status says why. */
async function keepReason(ports: NodePorts, error: unknown): Promise<void> {
  const running = await ports.running();
  await ports.nowRuns({ ...running, notes: [...running.notes, `the machine config is not made: ${(error as Error).message}`] });
}
