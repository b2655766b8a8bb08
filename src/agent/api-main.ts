/** The edge of petrify-api: what systemd hands over, signals, exit code. Arguments: the sockets of the agent, of petrify-look, of petrify-forward and of petrify-debug, where they are others. Nothing imports this file. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { AppError } from "../core/error.ts";
import { fileExists, readText } from "../host/files.ts";
import { forwardThrough } from "../host/forward-through.ts";
import { sha256 } from "../host/sha256.ts";
import type { TlsServer } from "../host/tls-server.ts";
import {
  API_SOCKET,
  AUTHORITIES_FILE,
  CERTIFICATE_FILE,
  DEBUG_SOCKET,
  EPOCH_FILE,
  FORWARD_SOCKET,
  LOOK_SOCKET,
} from "../layout/api-places.ts";
import { askProgram } from "./api/ask-program.ts";
import { debugTalk } from "./api/debug-service.ts";
import { enrolmentAnswers, localAnswers } from "./api/local-answers.ts";
import { metricsPage } from "./api/metrics-page.ts";
import { openApi } from "./api/open-api.ts";
import { openMaintenance } from "./api/open-maintenance.ts";
import { apiSettings, ownCertificate } from "./api/settings.ts";
import { handedSocket } from "./handed-socket.ts";
import { programLog } from "./program-log.ts";

/** Defined when the program is bundled. */
declare const PETRIFY_VERSION: string | undefined;

/** It is started again by the next caller. */
const IDLE_MS = 60_000;
const ANSWER_ARRIVES_MS = 1000;

const { env } = process;
const log = programLog(process);
const info = (line: string): void => log("info", line);
const stop = new AbortController();
/** With what it has been asked, the machine may be going down, or have changed: who has asked is still to hear of it. */
const endSoon = (): void => void setTimeout(() => stop.abort(), ANSWER_ARRIVES_MS);
process.on("SIGTERM", endSoon).on("SIGINT", () => stop.abort());

try {
  const fd = handedSocket(process, "petrify-api");
  const credential = async (name: string): Promise<string> => await readText(join(env["CREDENTIALS_DIRECTORY"] ?? "", name));
  const perhaps = async (name: string): Promise<string | undefined> =>
    (await fileExists(join(env["CREDENTIALS_DIRECTORY"] ?? "", name))) ? await credential(name) : undefined;
  const key = await credential("key");
  const authorities = await perhaps(`api_${AUTHORITIES_FILE}`);
  const names = { hostname: (await readText("/proc/sys/kernel/hostname")).trim(), addresses: [] };
  const making = { sha256, random: randomBytes };
  const version = typeof PETRIFY_VERSION === "string" ? PETRIFY_VERSION : "not bundled";
  const token = await credential("token");
  const ask = askProgram(process.argv[2] ?? API_SOCKET, token, "the agent of the machine");
  const look = askProgram(process.argv[3] ?? LOOK_SOCKET, token, "what looks at the machine");
  const forwarder = process.argv[4] ?? FORWARD_SOCKET;
  const edge = { at: { fd }, log: info, idle: { ms: IDLE_MS, end: () => stop.abort() } };
  const withOwner = async (owner: string): Promise<TlsServer> => {
    const [certificate, epoch] = [await perhaps(`api_${CERTIFICATE_FILE}`), await perhaps(`api_${EPOCH_FILE}`)];
    const settings = await apiSettings({ key, authorities: owner, certificate, epoch }, names, making, info);
    const answers = localAnswers(ask, look, version);
    return await openApi({
      ...settings,
      ...edge,
      ...{ answers, ask, outdated: endSoon }, // the next caller starts it again
      dial: async (target, signal) => await forwardThrough(forwarder, target, token, signal),
      debug: debugTalk(process.argv[5] ?? DEBUG_SOCKET, token),
      pages: { "/metrics": metricsPage(answers, settings) },
      now: () => Date.now() / 1000,
    });
  };
  const withoutOwner = async (): Promise<TlsServer> =>
    await openMaintenance({
      ...edge,
      ...{ key, certificate: await ownCertificate(key, names, making) },
      answers: enrolmentAnswers(ask, version),
      enrolled: endSoon,
    });
  const server = authorities === undefined ? await withoutOwner() : await withOwner(authorities);
  stop.signal.addEventListener("abort", () => void server[Symbol.asyncDispose]());
  if (stop.signal.aborted) await server[Symbol.asyncDispose]();
} catch (error) {
  const { message, hint } = error as AppError;
  log("error", `${message}${hint === undefined ? "" : ` ${hint}`}`);
  process.exitCode = 1;
}
