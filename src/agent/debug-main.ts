/** The edge of petrify-debug, which starts containers of tools for callers of the API: what systemd hands over, signals, exit code. Nothing imports this file. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { create, fromJson, toJson, type JsonValue } from "@bufbuild/protobuf";
import { AppError } from "../core/error.ts";
import { attachedProgram } from "../host/attached-program.ts";
import { folderNames, makePrivateFolder, readText, removeFolder, writeText } from "../host/files.ts";
import { run } from "../host/run.ts";
import { trustAuthorities } from "../host/trust-authorities.ts";
import { askLocally } from "../host/unix-http.ts";
import { serveTalks } from "../host/unix-talk.ts";
import { API_SOCKET } from "../layout/api-places.ts";
import { AUTHORITIES_PATH } from "../layout/authorities-path.ts";
import { DEBUG_FOLDER, type ContainerPlan } from "../layout/container-plan.ts";
import { debugUnitArguments } from "../layout/debug-unit.ts";
import { DebugRequestSchema, DebugResponseSchema, type DebugRequest } from "../protocol/petrify/v1/debug_pb.ts";
import { DEBUG } from "./logged-calls.ts";
import { debugCalls, type DebugPorts } from "./debug/session.ts";
import { handedSocket } from "./handed-socket.ts";
import { programLog } from "./program-log.ts";
import { proxySettings } from "./proxy-settings.ts";
import { machineStore } from "./registry-settings.ts";

/** It is started again by the next caller. */
const IDLE_MS = 60_000;
/** That the service manager waits longer than we do; seconds. */
const GRACE = 30;

const { env } = process;
const log = programLog(process);
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());

/** @param token the agent's */
const portsOf = (token: string): DebugPorts => ({
  folder: async () => {
    const path = join(DEBUG_FOLDER, randomBytes(4).toString("hex"));
    await makePrivateFolder(path);
    return { path, [Symbol.asyncDispose]: async () => await removeFolder(path) };
  },
  registry: async (reference) => {
    await trustAuthorities(AUTHORITIES_PATH);
    return await machineStore(reference, { run, random: Math.random, now: () => performance.now(), proxies: proxySettings(env) });
  },
  log: async (about, caller, signal) => {
    const [method, url] = DEBUG.split(" ") as ["POST", string];
    const logged = askLocally(API_SOCKET, method, url, signal, about, token, caller);
    await logged.next();
    return { [Symbol.asyncDispose]: async () => void (await logged.return(undefined)) };
  },
  start: async ({ plan, rights, size, seconds }) => {
    const name = `petrify-debug-${randomBytes(4).toString("hex")}`;
    const file = join(plan.root, "../plan.json");
    const program = await attachedProgram(async (terminal) => {
      const whole: ContainerPlan = { ...plan, ...(terminal === undefined ? {} : { terminal }) };
      await writeText(file, JSON.stringify(whole));
      return debugUnitArguments({ name, rights, plan: file, seconds: seconds + GRACE });
    }, size);
    let isOver = false;
    program.ended.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    return {
      ...program,
      [Symbol.asyncDispose]: async () => {
        // Not with the program that has asked for it: the service manager has started it.
        if (!isOver) await run(["systemctl", "stop", "--no-ask-password", "--", `${name}.service`]).catch(() => {});
        await program[Symbol.asyncDispose]();
      },
    };
  },
});

async function* requests(heard: AsyncIterable<unknown>): AsyncGenerator<DebugRequest> {
  for await (const value of heard) {
    try {
      yield fromJson(DebugRequestSchema, value as JsonValue);
    } catch (cause) {
      throw new AppError("REQUEST_INVALID", "a message is not understood", { cause });
    }
  }
}

try {
  const fd = handedSocket(process, "petrify-debug");
  const token = await readText(join(env["CREDENTIALS_DIRECTORY"] ?? "", "token"));
  // Of one that was killed.
  for (const name of await folderNames(DEBUG_FOLDER)) await removeFolder(join(DEBUG_FOLDER, name));
  const calls = debugCalls(portsOf(token));
  const server = await serveTalks(
    { at: { fd }, token, idle: { ms: IDLE_MS, end: () => stop.abort() } },
    async function* (heard, signal, caller) {
      for await (const news of calls(requests(heard), AbortSignal.any([signal, stop.signal]), caller))
        yield toJson(DebugResponseSchema, create(DebugResponseSchema, { news })) as object;
    },
  );
  stop.signal.addEventListener("abort", () => void server[Symbol.asyncDispose]());
  if (stop.signal.aborted) await server[Symbol.asyncDispose]();
} catch (error) {
  const { message, hint } = error as AppError;
  log("error", `${message}${hint === undefined ? "" : ` ${hint}`}`);
  process.exitCode = 1;
}
