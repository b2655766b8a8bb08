/** The machine that a command runs on: its agent is asked where it answers, and petrify-look's program is run for everything else, as root is. */
import type { AgentStatus } from "../../agent/status.ts";
import { AGENT_SOCKET } from "../../agent/status.ts";
import { AppError } from "../../core/error.ts";
import { lineReader } from "../../core/lines.ts";
import { MiB, type Bytes } from "../../core/units.ts";
import { CommandError } from "../../host/run.ts";
import type { StartProgram } from "../../host/start-program.ts";
import { askLocally } from "../../host/unix-http.ts";
import type { AskMachine } from "./parts.ts";

/** What the agent answers on its own socket, in its own words. */
const OF_AGENT: Readonly<Record<string, readonly ["GET" | "POST", string]>> = {
  "NodeService.Status": ["GET", "/status"],
  "NodeService.History": ["GET", "/history"],
  "ControlService.ListConfigs": ["GET", "/config/history"],
  "ControlService.DiffConfigs": ["POST", "/config/diff"],
};

/** Of an answer. */
const LONGEST_LINE: Bytes = 4 * MiB;

export interface OwnMeans {
  readonly startProgram: StartProgram;
  /** argv of look-main.ts. */
  readonly look: readonly [string, ...string[]];
  /** Of the agent. */
  readonly socket?: string;
}

export const askSelf = ({ startProgram, look, socket = AGENT_SOCKET }: OwnMeans): AskMachine =>
  async function* (call, request, signal) {
    if (call === "NodeService.Version") {
      for await (const status of askLocally(socket, "GET", "/status", signal)) {
        const { machine, image } = status as AgentStatus;
        yield { machine, image };
      }
      return;
    }
    const own = OF_AGENT[call];
    if (own) return yield* askLocally(socket, ...own, signal, own[0] === "POST" ? request : undefined) as AsyncIterable<object>;
    const program = startProgram([...look, "--once", call, JSON.stringify(request)], signal);
    try {
      for await (const line of linesOf(program.output)) yield answerOf(line);
    } catch (cause) {
      if (!(cause instanceof CommandError)) throw cause;
      throw new AppError("LOOK_FAILED", "the program that looks at the machine cannot be run, or has ended", { cause });
    }
  };

async function* linesOf(output: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const read = lineReader(LONGEST_LINE);
  for await (const chunk of output)
    for (const line of read(chunk)) {
      if ("tooLong" in line) throw new AppError("LOOK_FAILED", "an answer is too long");
      yield line.text;
    }
}

function answerOf(line: string): object {
  const value = JSON.parse(line) as { readonly error?: { readonly code: string; readonly message: string } };
  if (!value.error) return value;
  throw new AppError(value.error.code, value.error.message);
}
