/** What a command asks of the process that a named VM lives in. */
import { AppError } from "../core/error.ts";
import { socketFolder } from "../host/socket-folder.ts";
import { askLocally } from "../host/unix-http.ts";
import { connectStream, type TextStream } from "../host/unix-stream.ts";
import { VM_FILES } from "./named-vm.ts";
import type { RunningVm } from "./supervisor.ts";

const ANSWER_LIMIT_MS = 20_000;

/**
 * @returns nothing when the machine does not run: nobody listens on its socket, whether or not one is left there
 * @throws AppError `VM_UNRESPONSIVE`; the signal's reason
 */
export const stateOf = async (folder: string, signal: AbortSignal): Promise<RunningVm | undefined> =>
  (await ask(folder, "GET", "/vm", signal)) as RunningVm | undefined;

/** Of the machine's agent, as `GET /status` has it. @throws AppError `AGENT_ABSENT`, `AGENT_GONE`, `VM_UNRESPONSIVE` */
export const agentStatusOf = async (folder: string, signal: AbortSignal): Promise<unknown> =>
  await ask(folder, "GET", "/status", signal);

/** Presses the power button, or pulls the plug; nothing happens when the machine has ended meanwhile. */
export const tellVm = async (folder: string, what: "power-button" | "end", signal: AbortSignal): Promise<void> =>
  void (await ask(folder, "POST", `/${what}`, signal).catch((error: unknown) => {
    if (!(error instanceof AppError && error.code === "VM_ENDED")) throw error;
  }));

/** @returns the console's last lines and what follows; nothing when the machine does not run */
export async function consoleOf(folder: string): Promise<TextStream | undefined> {
  await using sockets = await socketFolder(folder);
  return await connectStream(sockets.at(VM_FILES.stream));
}

async function ask(folder: string, method: "GET" | "POST", url: string, signal: AbortSignal): Promise<unknown> {
  const late = AbortSignal.timeout(ANSWER_LIMIT_MS);
  await using sockets = await socketFolder(folder);
  try {
    let last: unknown;
    const values = askLocally(sockets.at(VM_FILES.control), method, url, AbortSignal.any([signal, late]));
    for await (const value of values) last = value;
    return last;
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted) throw new AppError("VM_UNRESPONSIVE", "the process of the VM does not answer", { cause: error });
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "AGENT_UNREACHABLE" || code === "ECONNRESET") return undefined; // nobody listens, or not any more
    throw error;
  }
}
