/** The agent's answers, by the socket that it has for the API's own program. */
import { AppError } from "../../core/error.ts";
import { askLocally } from "../../host/unix-http.ts";
import type { OperationNews } from "../operations/driver.ts";
import type { AgentStatus } from "../status.ts";
import type { NodeAnswers } from "./node-service.ts";

export function localAnswers(socket: string, token: string, version: string): NodeAnswers {
  const ask = async function* (url: string, signal: AbortSignal): AsyncGenerator {
    try {
      yield* askLocally(socket, "GET", url, signal, undefined, token);
    } catch (cause) {
      if (!(cause instanceof AppError) || cause.code !== "AGENT_UNREACHABLE") throw cause;
      // Callers are elsewhere: a path of this machine and a command to run on it are nothing for them.
      throw new AppError("AGENT_UNREACHABLE", "the agent of the machine does not answer", {
        hint: "Try again in a minute.",
        cause,
      });
    }
  };
  return {
    version,
    status: async (signal) => {
      for await (const value of ask("/status", signal)) return value as AgentStatus;
      throw new Error("the agent has answered nothing");
    },
    operation: (signal) => ask("/operation", signal) as AsyncIterable<OperationNews>,
  };
}
