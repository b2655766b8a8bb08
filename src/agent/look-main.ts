/**
 * The edge of petrify-look, which looks at the machine for the API's program: what systemd hands over, signals, exit code. Nothing imports this file.
 * Arguments: the file with the token, and the agent's socket, where they are others. Or `--once CALL REQUEST`: for a command of root's it answers one call on its
 * standard output, a JSON document a line.
 */
import { dirname, join } from "node:path";
import { AppError, errorDocument } from "../core/error.ts";
import { drained } from "../host/drained.ts";
import { readText } from "../host/files.ts";
import { run } from "../host/run.ts";
import { runLines } from "../host/run-lines.ts";
import { startProgram } from "../host/start-program.ts";
import { askLocally, serveWhileAsked } from "../host/unix-http.ts";
import { API_SOCKET, API_TOKEN } from "../layout/api-places.ts";
import { CAPTURE } from "./logged-calls.ts";
import { handedSocket } from "./handed-socket.ts";
import { lookRoutes, type LookPorts } from "./look/call.ts";
import { LOOK_CALLS } from "./look/calls.ts";
import { programLog } from "./program-log.ts";

/** It is started again by the next caller. */
const IDLE_MS = 60_000;

const log = programLog(process);
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());

const portsOf = (logCapture: LookPorts["logCapture"]): LookPorts => ({
  ...{ run, runLines, startProgram, logCapture },
  root: "/",
  lsblk: join(dirname(process.execPath), "lsblk"),
  now: () => Date.now() / 1000,
});
const [first, ...rest] = process.argv.slice(2);

try {
  if (first === "--once") await once(rest);
  else await serve(first, rest[0]);
} catch (error) {
  const { message, hint } = error as AppError;
  log("error", `${message}${hint === undefined ? "" : ` ${hint}`}`);
  process.exitCode = 1;
}

async function serve(tokenFile = API_TOKEN, agent = API_SOCKET): Promise<void> {
  const fd = handedSocket(process, "petrify-look");
  const token = await readText(tokenFile);
  const [method, url] = CAPTURE.split(" ") as ["POST", string];
  const ports = portsOf(async (about, caller, signal) => {
    const logged = askLocally(agent, method, url, signal, about, token, caller);
    await logged.next();
    return { [Symbol.asyncDispose]: async () => void (await logged.return(undefined)) };
  });
  const routes = lookRoutes(LOOK_CALLS, ports);
  const server = await serveWhileAsked({ fd }, routes, token, { ms: IDLE_MS, end: () => stop.abort() });
  stop.signal.addEventListener("abort", () => void server[Symbol.asyncDispose]());
  if (stop.signal.aborted) await server[Symbol.asyncDispose]();
}

async function once([call = "", request = "{}"]: readonly string[]): Promise<void> {
  const tell = async (value: object): Promise<void> => {
    process.stdout.write(`${JSON.stringify(value)}\n`);
    await drained(process.stdout);
  };
  const ports = portsOf(async () => await Promise.reject(new AppError("NO_CAPTURE", "packets are captured over the API alone")));
  try {
    const answer = LOOK_CALLS[call]!(JSON.parse(request), ports, stop.signal);
    if (Symbol.asyncIterator in answer) for await (const value of answer) await tell(value);
    else await tell(await answer);
  } catch (error) {
    await tell({ error: errorDocument(error) });
  }
}
