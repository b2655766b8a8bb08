/** The edge of petrify-api: what systemd hands over, signals, exit code. Argument: the agent's socket, where it is another one. Nothing imports this file. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { fileExists, readText } from "../host/files.ts";
import { sha256 } from "../host/sha256.ts";
import { API_SOCKET, AUTHORITIES_FILE, CERTIFICATE_FILE, EPOCH_FILE } from "../layout/api-places.ts";
import { localAnswers } from "./api/local-answers.ts";
import { metricsPage } from "./api/metrics-page.ts";
import { openApi } from "./api/open-api.ts";
import { apiSettings } from "./api/settings.ts";

/** Defined when the program is bundled. */
declare const PETRIFY_VERSION: string | undefined;

/** It is started again by the next caller. */
const IDLE_MS = 60_000;
/** The first of the sockets that are handed over. Source: sd_listen_fds(3) */
const LISTEN_FD = 3;

const { env } = process;
const log = (line: string): void => void process.stderr.write(`<6>${line}\n`);
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());

try {
  if (env["LISTEN_PID"] !== String(process.pid) || env["LISTEN_FDS"] !== "1") {
    throw new AppError("API_NO_SOCKET", "petrify-api was handed no socket to listen on", { hint: "Start petrify-api.socket." });
  }
  const credential = async (name: string): Promise<string> => await readText(join(env["CREDENTIALS_DIRECTORY"] ?? "", name));
  const perhaps = async (name: string): Promise<string | undefined> =>
    (await fileExists(join(env["CREDENTIALS_DIRECTORY"] ?? "", name))) ? await credential(name) : undefined;
  const files = {
    key: await credential("key"),
    authorities: await credential(`api_${AUTHORITIES_FILE}`),
    certificate: await perhaps(`api_${CERTIFICATE_FILE}`),
    epoch: await perhaps(`api_${EPOCH_FILE}`),
  };
  const hostname = (await readText("/proc/sys/kernel/hostname")).trim();
  const version = typeof PETRIFY_VERSION === "string" ? PETRIFY_VERSION : "not bundled";
  const settings = await apiSettings(files, { hostname, addresses: [] }, { sha256, random: randomBytes }, log);
  const answers = localAnswers(process.argv[2] ?? API_SOCKET, await credential("token"), version);
  const server = await openApi({
    ...settings,
    at: { fd: LISTEN_FD },
    answers,
    pages: { "/metrics": metricsPage(answers, settings) },
    now: () => Date.now() / 1000,
    log,
    idle: { ms: IDLE_MS, end: () => stop.abort() },
  });
  stop.signal.addEventListener("abort", () => void server[Symbol.asyncDispose]());
  if (stop.signal.aborted) await server[Symbol.asyncDispose]();
} catch (error) {
  const { message, hint } = error as AppError;
  process.stderr.write(`<3>${message}${hint === undefined ? "" : ` ${hint}`}\n`);
  process.exitCode = 1;
}
