/** What the machine can be asked to look at: one file a call, and a row in calls.ts. docs/concepts/api.md */
import type { z } from "zod";
import { AppError } from "../../core/error.ts";
import type { RunLines } from "../../host/run-lines.ts";
import type { Run } from "../../host/run.ts";
import type { StartProgram } from "../../host/start-program.ts";
import type { LocalHandler, LocalRoutes } from "../../host/unix-http.ts";

/** What calls need of the machine; they read and start what only reads. */
export interface LookPorts {
  readonly run: Run;
  /** For programs that go on, or say much. */
  readonly runLines: RunLines;
  /** For those whose output is not text. */
  readonly startProgram: StartProgram;
  /**
   * Has the audit log say that packets are captured, and for whom, until the scope ends.
   *
   * @param caller as the API's program says it
   */
  readonly logCapture: (about: object, caller: string | undefined, signal: AbortSignal) => Promise<AsyncDisposable>;
  /** Where the running system is: `/`. Tests have one in a folder. */
  readonly root: string;
  /** The program of that name. */
  readonly lsblk: string;
  /** Seconds since 1970. */
  readonly now: () => number;
}

/** Answers a request as it came. @throws AppError `REQUEST_INVALID` */
export type LookCall = (body: unknown, ports: LookPorts, signal: AbortSignal, caller?: string) => ReturnType<LocalHandler>;

/** Calls by the names that they have in the contract: `SystemService.Memory`. */
export type LookCalls = Readonly<Record<string, LookCall>>;

/**
 * Requests and answers are messages of the contract in their JSON form.
 *
 * @param request whoever has taken over the API's program could ask for anything: nothing is passed on that this does not know
 * @param answer one, or many as they come; the next one is asked for when this one was taken. Work ends when the signal is aborted
 */
export const lookCall =
  <Request, Answer extends object>({
    request,
    answer,
  }: {
    readonly request: z.ZodType<Request>;
    readonly answer: (
      request: Request,
      ports: LookPorts,
      signal: AbortSignal,
      caller?: string,
    ) => Promise<Answer> | AsyncIterable<Answer>;
  }): LookCall =>
  (body, ports, signal, caller) => {
    const { success, data, error } = request.safeParse(body ?? {});
    if (success) return answer(data, ports, signal, caller);
    const [issue] = error.issues;
    throw new AppError("REQUEST_INVALID", `the request is not understood: ${issue!.path.join(".") || "it"}: ${issue!.message}`);
  };

/** Where a call is asked for on the program's socket. */
export const lookPath = (name: string): string => `/look/${name}`;

export const lookRoutes = (calls: LookCalls, ports: LookPorts): LocalRoutes =>
  Object.fromEntries(
    Object.entries(calls).map(([name, call]): [string, LocalHandler] => [
      `POST ${lookPath(name)}`,
      (signal, body, caller) => call(body, ports, signal, caller),
    ]),
  );
