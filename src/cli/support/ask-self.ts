/** The machine that a command runs on: its agent is asked where it answers, everything else is looked at here. */
import { dirname, join } from "node:path";
import { AppError } from "../../core/error.ts";
import type { LookPorts } from "../../agent/look/call.ts";
import { LOOK_CALLS } from "../../agent/look/calls.ts";
import { AGENT_SOCKET, type AgentStatus } from "../../agent/status.ts";
import { runLines } from "../../host/run-lines.ts";
import type { Run } from "../../host/run.ts";
import { startProgram } from "../../host/start-program.ts";
import { askLocally } from "../../host/unix-http.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import type { AskMachine } from "./parts.ts";

/** What the agent answers on its own socket, in its own words. */
const OF_AGENT: Readonly<Record<string, readonly ["GET" | "POST", string]>> = {
  "NodeService.Status": ["GET", "/status"],
  "NodeService.History": ["GET", "/history"],
  "ControlService.ListConfigs": ["GET", "/config/history"],
  "ControlService.DiffConfigs": ["POST", "/config/diff"],
};

/** @param program of Node: what petrify brings along lies beside it @param socket of the agent */
export function askSelf(
  { root, run }: { readonly root: string; readonly run: Run },
  { program, socket = AGENT_SOCKET }: { readonly program: string; readonly socket?: string },
): AskMachine {
  const logCapture = async (): Promise<never> => await Promise.reject(new AppError("NO_CAPTURE", "nothing is captured here"));
  const ports: LookPorts = {
    run,
    runLines,
    startProgram,
    logCapture,
    root,
    lsblk: join(dirname(program), "lsblk"),
    now: secondsNow,
  };
  return async function* (call, request, signal) {
    if (call === "NodeService.Version") {
      for await (const status of askLocally(socket, "GET", "/status", signal)) {
        const { machine, image } = status as AgentStatus;
        yield { machine, image };
      }
      return;
    }
    const own = OF_AGENT[call];
    if (own) {
      yield* askLocally(socket, ...own, signal, own[0] === "POST" ? request : undefined) as AsyncIterable<object>;
      return;
    }
    const answer = LOOK_CALLS[call]!(request, ports, signal);
    if (Symbol.asyncIterator in answer) yield* answer;
    else yield await answer;
  };
}
