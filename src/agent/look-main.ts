/**
 * The edge of petrify-look, which looks at the machine for the API's program: what systemd hands over, signals, exit code. Nothing imports this file.
 * Arguments: the file with the token, and the agent's socket, where they are others.
 */
import { dirname, join } from "node:path";
import type { AppError } from "../core/error.ts";
import { readText } from "../host/files.ts";
import { run } from "../host/run.ts";
import { runLines } from "../host/run-lines.ts";
import { startProgram } from "../host/start-program.ts";
import { askLocally, serveWhileAsked } from "../host/unix-http.ts";
import { API_SOCKET, API_TOKEN } from "../layout/api-places.ts";
import { CAPTURE } from "./capture-log.ts";
import { handedSocket } from "./handed-socket.ts";
import { lookRoutes } from "./look/call.ts";
import { LOOK_CALLS } from "./look/calls.ts";

/** It is started again by the next caller. */
const IDLE_MS = 60_000;

const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());

try {
  const fd = handedSocket(process, "petrify-look");
  const token = await readText(process.argv[2] ?? API_TOKEN);
  const [method, url] = CAPTURE.split(" ") as ["POST", string];
  const routes = lookRoutes(LOOK_CALLS, {
    ...{ run, runLines, startProgram },
    logCapture: async (about, caller, signal) => {
      const logged = askLocally(process.argv[3] ?? API_SOCKET, method, url, signal, about, token, caller);
      await logged.next();
      return { [Symbol.asyncDispose]: async () => void (await logged.return(undefined)) };
    },
    root: "/",
    lsblk: join(dirname(process.execPath), "lsblk"),
    now: () => Date.now() / 1000,
  });
  const server = await serveWhileAsked({ fd }, routes, token, { ms: IDLE_MS, end: () => stop.abort() });
  stop.signal.addEventListener("abort", () => void server[Symbol.asyncDispose]());
  if (stop.signal.aborted) await server[Symbol.asyncDispose]();
} catch (error) {
  const { message, hint } = error as AppError;
  process.stderr.write(`<3>${message}${hint === undefined ? "" : ` ${hint}`}\n`);
  process.exitCode = 1;
}
