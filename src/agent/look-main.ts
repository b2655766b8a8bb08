/**
 * The edge of petrify-look, which looks at the machine for the API's program: what systemd hands over, signals, exit code. Nothing imports this file.
 * Argument: the file with the token, where it is another one.
 */
import { dirname, join } from "node:path";
import type { AppError } from "../core/error.ts";
import { readText } from "../host/files.ts";
import { run } from "../host/run.ts";
import { runLines } from "../host/run-lines.ts";
import { serveWhileAsked } from "../host/unix-http.ts";
import { API_TOKEN } from "../layout/api-places.ts";
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
  const routes = lookRoutes(LOOK_CALLS, {
    run,
    runLines,
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
