/** Containers of tools for callers: petrify-debug makes them, and says so to the audit log; messages are passed on as they are. docs/concepts/debug.md */
import { fromJson, toJson, type JsonValue } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { AppError } from "../../core/error.ts";
import { talk } from "../../host/unix-talk.ts";
import { DebugRequestSchema, DebugResponseSchema, DebugService, type DebugRequest } from "../../protocol/petrify/v1/debug_pb.ts";
import { encodeCaller } from "../api-caller.ts";
import { CALLER, type Caller } from "./authorize.ts";

/** What petrify-debug answers. @throws AppError what it says, `DEBUG_UNSUPPORTED`, `AGENT_UNREACHABLE` */
export type DebugTalk = (said: AsyncIterable<object>, caller: Caller, signal: AbortSignal) => AsyncGenerator;

export function registerDebugService(router: ConnectRouter, ask: DebugTalk): void {
  router.service(DebugService, {
    async *debug(requests, { signal, values }) {
      for await (const value of ask(documents(requests), values.get(CALLER)!, signal))
        yield fromJson(DebugResponseSchema, value as JsonValue, { ignoreUnknownFields: true });
    },
  });
}

async function* documents(requests: AsyncIterable<DebugRequest>): AsyncGenerator<object> {
  for await (const request of requests) yield toJson(DebugRequestSchema, request) as object;
}

/** @param socket of petrify-debug */
export const debugTalk = (socket: string, token: string): DebugTalk =>
  async function* (said, caller, signal) {
    try {
      yield* talk(socket, said, { token, caller: encodeCaller(caller), signal });
    } catch (cause) {
      signal.throwIfAborted();
      const { code, syscall } = cause as NodeJS.ErrnoException;
      if (cause instanceof AppError || syscall === undefined) throw cause;
      if (code === "ENOENT") {
        throw new AppError("DEBUG_UNSUPPORTED", "debug containers are not supported here: this machine's init is not systemd", {
          hint: "An image with systemd has them.",
          cause,
        });
      }
      throw new AppError("AGENT_UNREACHABLE", "what starts debug containers does not answer", {
        hint: "Try again in a minute.",
        cause,
      });
    }
  };
