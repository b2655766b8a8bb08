import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { readBytes } from "../host/files.ts";
import { replaceFile } from "../host/replace-file.ts";
import { startProcess, type LongProcess } from "../host/process.ts";
import type { Run } from "../host/run.ts";
import type { Bind, Caller, Tools } from "../host/tools.ts";
import { workDir, type WorkDir } from "../host/work-dir.ts";
import { ConsoleLog, type WaitOptions } from "./console.ts";
import { explainQemu } from "./explain.ts";
import type { VmOptions } from "./options.ts";
import { connectQmp, type Qmp, type QmpEvent } from "./qmp.ts";
import { FIRST_PORT_FD, INSIDE, QMP_FD, qemuArgv } from "./qemu-argv.ts";

/** What a VM needs of the host. */
export interface VmHost {
  readonly tools: Tools;
  readonly caller: Caller;
  readonly run: Run;
  /** Where throw-away overlays are kept while a VM runs. */
  readonly folder: string;
  /** Aborting ends the VM; whoever waits for it gets the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface VmExit {
  /** Why the guest stopped, in QEMU's words: `guest-shutdown`, `guest-reset`, `host-qmp-quit`, …; `killed` when it said nothing. */
  readonly reason: string;
  /** QEMU's own exit status. */
  readonly code: number;
}

/** A two-way stream of text beside the console. */
export interface VmPort {
  onText(listener: (text: string) => void): void;
  send(text: string): void;
}

/** A running machine. Nothing of it, process or file, is left when the scope ends. */
export interface Vm extends AsyncDisposable {
  /** What the guest has written to the serial console so far, without escape sequences. */
  consoleText(): string;
  /** The console's bytes as they come; what came before is not repeated. */
  onConsole(listener: (text: string) => void): void;
  /** @see ConsoleLog.waitFor */
  waitForConsole(pattern: RegExp | string, options?: WaitOptions): Promise<RegExpExecArray>;
  /** Types on the serial console. */
  sendConsole(text: string): void;
  /** The port of that name; it must have been asked for when the VM was started. */
  port(name: string): VmPort;
  readonly qmp: Qmp;
  /** What QEMU tells by itself, from now on: `RESET`, `WATCHDOG`, … */
  onEvent(listener: (event: QmpEvent) => void): void;
  readonly exited: Promise<VmExit>;
  /** The screen as a PNG file. */
  screenshot(): Promise<Uint8Array>;
  /** Saves memory, devices and disks (all must be throw-away) inside the overlays; the guest goes on. */
  saveState(tag: string): Promise<void>;
  /** Goes back to a saved state. What the console showed in between stays in its text. */
  loadState(tag: string): Promise<void>;
  /** Ends QEMU now, as pulling the plug does; resolves when it is gone. */
  quit(): Promise<VmExit>;
}

/** Of the tools tree: the variables of a machine that has never been started. */
export const OVMF_VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd";
const QUIT_LIMIT_MS = 5_000;

/**
 * Starts QEMU out of the tools tree.
 *
 * @throws AppError `PORT_IN_USE`, `MEMORY_INSUFFICIENT`, `DISK_IN_USE`, `QEMU_FAILED`
 */
export async function startVm(host: VmHost, options: VmOptions): Promise<Vm> {
  const { signal } = host;
  signal?.throwIfAborted();
  await using cleanup = new AsyncDisposableStack();
  const work: WorkDir = cleanup.use(await workDir(host.folder, host.caller, host.run));
  await prepare(host, options, work.path);

  const ports = options.ports ?? [];
  const argv = host.tools.argv(qemuArgv(options), {
    binds: [...binds(options), { source: work.path, target: INSIDE.work, writable: true }],
    network: (options.forwards ?? []).length > 0 || options.online === true,
  });
  const child: LongProcess = cleanup.use(await startProcess(argv, FIRST_PORT_FD - QMP_FD + ports.length));
  const [qmpSocket, console, ...portSockets] = child.channels;

  const log = new ConsoleLog(options.consoleKept);
  const listeners: ((text: string) => void)[] = [];
  console!.setEncoding("utf8");
  console!.on("data", (text: string) => {
    log.append(text);
    for (const listener of listeners) listener(text);
  });

  let reason = "killed";
  const eventListeners: ((event: QmpEvent) => void)[] = [];
  const onEvent = (event: QmpEvent): void => {
    if (event.event === "SHUTDOWN") reason = String(event.data?.["reason"]);
    for (const listener of eventListeners) listener(event);
  };
  const abort = (): void => child.kill();
  signal?.addEventListener("abort", abort, { once: true });
  cleanup.defer(() => signal?.removeEventListener("abort", abort));
  const exited = child.exited.then(({ code }): VmExit => {
    const why = signal?.aborted
      ? new AppError("VM_ENDED", "the VM was interrupted", { cause: signal.reason })
      : new AppError("VM_ENDED", `the VM ended (${reason}); its console's last lines:\n${log.tail()}`, { cause: child.tail() });
    log.end(why);
    return { reason, code: code ?? -1 };
  });

  const qmp = await connectQmp(qmpSocket!, { onEvent }).catch(async (cause: unknown) => {
    await child.exited;
    signal?.throwIfAborted();
    throw explainQemu(child.tail(), cause);
  });

  const quit = async (): Promise<VmExit> => {
    const timer = setTimeout(() => child.kill(), QUIT_LIMIT_MS);
    void qmp.execute("quit").catch(() => {}); // it may be gone already
    const exit = await exited;
    clearTimeout(timer);
    return exit;
  };
  cleanup.defer(async () => void (await quit()));
  const nodes = options.disks.map((_, index) => `disk${index}`);
  const state = (tag: string): Record<string, unknown> => ({ tag, vmstate: nodes[0], devices: nodes });
  const scope = cleanup.move();
  return {
    consoleText: () => log.text,
    onConsole: (listener) => void listeners.push(listener),
    waitForConsole: async (pattern, wait) => {
      try {
        return await log.waitFor(pattern, wait);
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      }
    },
    sendConsole: (text) => void console!.write(text),
    port: (name) => {
      const socket = portSockets[ports.indexOf(name)];
      if (!socket) throw new Error(`the VM was started without a port ${name}`);
      socket.setEncoding("utf8");
      return { onText: (listener) => void socket.on("data", listener), send: (text) => void socket.write(text) };
    },
    qmp,
    onEvent: (listener) => void eventListeners.push(listener),
    exited,
    screenshot: async () => {
      await qmp.execute("screendump", { filename: join(INSIDE.work, "screen.png"), format: "png" });
      return await readBytes(join(work.path, "screen.png"));
    },
    saveState: async (tag) => await qmp.job("snapshot-save", state(tag)),
    loadState: async (tag) => {
      await qmp.execute("stop");
      await qmp.job("snapshot-load", state(tag));
      await qmp.execute("cont");
    },
    quit,
    [Symbol.asyncDispose]: async () => await scope.disposeAsync(),
  };
}

function binds({ disks, kernel, firmware, variables }: VmOptions): Bind[] {
  return [
    ...(firmware === "uefi" && variables !== undefined
      ? [{ source: variables, target: INSIDE.keptFirmware, writable: true }]
      : []),
    ...disks.map(({ path, format, writes }, index) => ({
      ...{ source: path, target: INSIDE.disk(index), writable: writes === "keep" || format === "nbd" },
    })),
    ...(kernel ? [{ source: kernel.path, target: INSIDE.kernel }] : []),
    ...(kernel?.initrd === undefined ? [] : [{ source: kernel.initrd, target: INSIDE.initrd }]),
  ];
}

/** Makes the files the guest writes to: overlays over the disks, and firmware variables of its own. */
async function prepare({ tools, signal }: VmHost, options: VmOptions, work: string): Promise<void> {
  const sandbox = { binds: [...binds(options), { source: work, target: INSIDE.work, writable: true }], signal };
  if (options.firmware === "uefi" && options.variables === undefined)
    await tools.run(["cp", OVMF_VARIABLES, INSIDE.firmware], sandbox);
  for (const [index, { format, writes, size, patches = [] }] of options.disks.entries()) {
    if (writes === "keep" || format === "nbd") continue;
    const image = ["-f", "qcow2", "-F", format, "-b", INSIDE.disk(index), INSIDE.overlay(index)];
    if (size !== undefined) image.push(String(size));
    await tools.run(["qemu-img", "create", "-q", ...image], sandbox);
    for (const { offset, data } of patches) {
      await replaceFile(join(work, "patch"), data);
      const command = `write -q -s ${INSIDE.work}/patch ${offset} ${data.length}`;
      await tools.run(["qemu-io", "-f", "qcow2", "-c", command, INSIDE.overlay(index)], sandbox);
    }
  }
}
