/** The edge of petrify-forward, which reaches other machines for callers of this one's API: what systemd hands over, signals, exit code. Nothing imports this file. */
import { join } from "node:path";
import type { AppError } from "../core/error.ts";
import { readText } from "../host/files.ts";
import { isElsewhere, serveForwarder } from "../host/forwarder.ts";
import { API_PORT } from "../layout/api-places.ts";
import { handedSocket } from "./handed-socket.ts";
import { programLog } from "./program-log.ts";

/** It is started again when it is needed. */
const IDLE_MS = 60_000;

const log = programLog(process);
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());

try {
  const fd = handedSocket(process, "petrify-forward");
  const forwarder = await serveForwarder({
    at: { fd },
    token: await readText(join(process.env["CREDENTIALS_DIRECTORY"] ?? "", "token")),
    port: API_PORT,
    reaches: isElsewhere,
    idle: { ms: IDLE_MS, end: () => stop.abort() },
  });
  stop.signal.addEventListener("abort", () => void forwarder[Symbol.asyncDispose]());
  if (stop.signal.aborted) await forwarder[Symbol.asyncDispose]();
} catch (error) {
  const { message, hint } = error as AppError;
  log("error", `${message}${hint === undefined ? "" : ` ${hint}`}`);
  process.exitCode = 1;
}
