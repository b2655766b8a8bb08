/** Programs that a small process of their own starts: starting one from a process of some hundred megabytes takes a tenth of a second. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { RunResult } from "../../src/host/run.ts";

export interface RunRequest {
  readonly id: number;
  readonly argv: readonly [string, ...string[]];
  readonly okExit: readonly number[];
  readonly timeoutMs: number;
  readonly stdin?: string;
}
export interface RunAnswer {
  readonly id: number;
  readonly result?: RunResult;
  readonly error?: string;
}

export interface Runner extends AsyncDisposable {
  /** @throws Error when the program cannot be run, or does not end with one of the exit codes */
  readonly run: (request: Omit<RunRequest, "id">) => Promise<RunResult>;
}

export function openRunner(): Runner {
  const child = fork(join(import.meta.dirname, "runner-main.ts"), { execArgv: ["--disable-warning=ExperimentalWarning"] });
  const waiting = new Map<number, PromiseWithResolvers<RunResult>>();
  let next = 0;
  child.on("message", ({ id, result, error }: RunAnswer) => {
    const one = waiting.get(id);
    waiting.delete(id);
    if (result) one?.resolve(result);
    else one?.reject(new Error(error));
  });
  child.once("exit", () => {
    for (const one of waiting.values()) one.reject(new Error("the process that runs programs has ended"));
  });
  return {
    run: async (request) => {
      const answer = Promise.withResolvers<RunResult>();
      const id = next++;
      waiting.set(id, answer);
      child.send({ id, ...request } satisfies RunRequest);
      return await answer.promise;
    },
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.disconnect();
      await ended;
    },
  };
}
