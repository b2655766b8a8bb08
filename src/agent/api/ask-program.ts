/** How the API's own program asks the agent, and petrify-look: by the sockets that they have for it. */
import { AppError } from "../../core/error.ts";
import { askLocally } from "../../host/unix-http.ts";
import { encodeCaller } from "../api-caller.ts";
import type { Caller } from "./authorize.ts";

/**
 * Yields the values of the answer.
 *
 * @param caller for whom; nobody where nothing is changed
 * @throws AppError what the program says, `AGENT_UNREACHABLE`
 */
export type AskProgram = (
  method: "GET" | "POST",
  url: string,
  signal: AbortSignal,
  body?: object,
  caller?: Caller,
) => AsyncGenerator;

/** @param who as callers are told */
export const askProgram = (socket: string, token: string, who: string): AskProgram =>
  async function* (method, url, signal, body, caller) {
    try {
      yield* askLocally(socket, method, url, signal, body, token, caller && encodeCaller(caller));
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
