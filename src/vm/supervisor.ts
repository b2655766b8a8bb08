/** The process that a named VM lives in: it owns QEMU, keeps the console's log, and answers on two sockets in the VM's folder. */
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { MiB, type Bytes, type Seconds } from "../core/units.ts";
import { openBoundedLog } from "../host/bounded-log.ts";
import { readText } from "../host/files.ts";
import { socketFolder } from "../host/socket-folder.ts";
import { serveLocally, type LocalRoutes } from "../host/unix-http.ts";
import { serveStreams, type TextStream } from "../host/unix-stream.ts";
import { AGENT_PORT } from "../layout/agent-channel.ts";
import { agentOf, type VmAgent } from "./agent-client.ts";
import { decodeNamedVm, diskFile, VM_FILES, type NamedVm } from "./named-vm.ts";
import type { VmOptions } from "./options.ts";
import type { AcceleratorChoice } from "./kvm.ts";
import { lockVm } from "./vm-lock.ts";
import { configDisk } from "./config-disk.ts";
import { disksWithMedium } from "./medium-disks.ts";
import { startVm, type Vm, type VmExit, type VmHost } from "./vm.ts";

/** What the supervisor says of its machine. */
export interface RunningVm extends AcceleratorChoice {
  /** Of the supervisor. */
  readonly pid: number;
  readonly uptime: Seconds;
}

export interface Supervised {
  readonly name: string;
  readonly folder: string;
  readonly choice: AcceleratorChoice;
  readonly pid: number;
  /** Milliseconds from anywhere. */
  readonly clock: () => number;
  /** Aborted: the machine is asked to shut down, and ended when it does not. */
  readonly signal: AbortSignal;
  /** Called once, when the machine runs and can be reached. */
  readonly onReady: (state: RunningVm) => void;
}

const LOG_LIMIT: Bytes = 4 * MiB;
/** Characters of the console that are kept in memory. */
const CONSOLE_KEPT = 64 * 1024;
/** What somebody who comes to the console sees first. */
const SHOWN_LINES = 40;
const AGENT_LIMIT_MS = 10_000;
/** How long a machine has to shut down when this process is told to end: less than what systemd gives a session (90 s). */
const SHUTDOWN_LIMIT_MS = 60_000;

/**
 * Runs a named VM to its end.
 *
 * @param host without a signal
 * @throws AppError `NO_SUCH_VM`, `VM_UNREADABLE`, `VM_BUSY` when another process has it, and what {@link startVm} throws
 */
export async function superviseVm(host: VmHost, options: Supervised): Promise<VmExit> {
  const { name, folder, choice, pid, clock, signal, onReady } = options;
  await using cleanup = new AsyncDisposableStack();
  cleanup.use(await lockVm(name, folder, signal));
  const vm = decodeNamedVm(name, await readText(join(folder, VM_FILES.description)));
  const sockets = cleanup.use(await socketFolder(folder));
  const log = cleanup.use(await openBoundedLog(join(folder, VM_FILES.console), LOG_LIMIT));
  const machine = cleanup.use(await startVm(host, vmOptions(vm, folder, choice)));
  const started = clock();

  const streams = new Set<TextStream>();
  machine.onConsole((text) => {
    log.append(text);
    for (const stream of streams) stream.send(text);
  });
  log.append(machine.consoleText()); // what came before
  const state = (): RunningVm => ({ ...choice, pid, uptime: Math.floor((clock() - started) / 1000) });
  const agent = watchAgent(machine, signal);
  const routes: LocalRoutes = {
    "GET /vm": async () => state(),
    "GET /status": async (asked) => await agent(asked),
    "POST /power-button": async () => {
      await machine.qmp.execute("system_powerdown");
      return {};
    },
    "POST /end": async () => await machine.quit(),
  };
  cleanup.use(
    await serveStreams(sockets.at(VM_FILES.stream), (stream) => {
      stream.send(machine.consoleText().split("\n").slice(-SHOWN_LINES).join("\n"));
      stream.onText((text) => machine.sendConsole(text));
      streams.add(stream);
      void stream.closed.then(() => streams.delete(stream));
    }),
  );
  cleanup.use(await serveLocally(sockets.at(VM_FILES.control), routes));
  cleanup.use(endOn(signal, machine));
  onReady(state());
  return await machine.exited;
}

/** What QEMU is started with: the guest writes to the VM's own disk, and to variables of its own. */
export function vmOptions(vm: NamedVm, folder: string, { accelerator }: AcceleratorChoice): VmOptions {
  const { disk, medium, config, firmware, memory, cpus, forwards, online } = vm;
  const own = { path: join(folder, diskFile(vm)), format: disk.format, writes: "keep" } as const;
  const disks = medium ? disksWithMedium(own, join(folder, VM_FILES.medium), medium, firmware) : [own];
  return {
    ...{ accelerator, firmware, memory, cpus, forwards, online, ports: [AGENT_PORT], consoleKept: CONSOLE_KEPT },
    ...(firmware === "uefi" ? { variables: join(folder, VM_FILES.variables) } : {}),
    disks: config ? [...disks, configDisk(join(folder, VM_FILES.config))] : disks,
  };
}

/** @returns a question for the agent's status, which is refused until the agent has come up */
function watchAgent(machine: Vm, signal: AbortSignal): (signal: AbortSignal) => Promise<object> {
  const agent = agentOf(machine);
  let isUp = false;
  const watch = async (): Promise<void> => {
    for (;;) {
      await agent.booted(signal);
      isUp = true;
    }
  };
  void watch().catch(() => {}); // the machine's end, or ours
  return async (asked) => {
    if (!isUp) throw new AppError("AGENT_ABSENT", "the machine's agent has not come up yet");
    return await statusFrom(agent, asked);
  };
}

async function statusFrom(agent: VmAgent, asked: AbortSignal): Promise<object> {
  const late = AbortSignal.timeout(AGENT_LIMIT_MS);
  let last: unknown;
  try {
    for await (const value of agent.ask("GET /status", AbortSignal.any([asked, late]))) last = value;
  } catch (error) {
    if (late.aborted) throw new AppError("AGENT_ABSENT", "the machine's agent does not answer", { cause: error });
    throw error;
  }
  return last as object;
}

function endOn(signal: AbortSignal, machine: Vm): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    const quit = (): void => void machine.quit().catch(() => {});
    timer = setTimeout(quit, SHUTDOWN_LIMIT_MS);
    machine.qmp.execute("system_powerdown").catch(quit);
  };
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  return {
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
    },
  };
}
