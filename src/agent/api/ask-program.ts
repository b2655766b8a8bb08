/** How the API's own program asks the agent, and petrify-look: by the sockets that they have for it. */
import { AppError } from "../../core/error.ts";
import { askLocally } from "../../host/unix-http.ts";

/** Yields the values of the answer. @throws AppError what the program says, `AGENT_UNREACHABLE` */
export type AskProgram = (method: "GET" | "POST", url: string, signal: AbortSignal, body?: object) => AsyncGenerator;

/** @param who as callers are told */
export const askProgram = (socket: string, token: string, who: string): AskProgram =>
  async function* (method, url, signal, body) {
    try {
      yield* askLocally(socket, method, url, signal, body, token);
    } catch (cause) {
      if (!(cause instanceof AppError) || cause.code !== "AGENT_UNREACHABLE") throw cause;
      // Callers are elsewhere: a path of this machine and a command to run on it are nothing for them.
      throw new AppError("AGENT_UNREACHABLE", `${who} does not answer`, { hint: "Try again in a minute.", cause });
    }
  };

/** Of a call with one answer. */
export async function firstOf(answer: AsyncIterable<unknown>): Promise<unknown> {
  for await (const value of answer) return value;
  throw new Error("nothing was answered");
}
