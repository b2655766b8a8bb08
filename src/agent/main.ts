/** The edge of petrifyd: environment, signals, exit code. Nothing imports this file. */
import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { readText } from "../host/files.ts";
import { openEventLog } from "../host/event-log.ts";
import { kernelLog } from "../host/kernel-log.ts";
import { run } from "../host/run.ts";
import { serviceNotifier } from "../host/sd-notify.ts";
import { giveBackFilePages } from "../host/trim-memory.ts";
import { openAgent } from "./agent.ts";
import { openApiAccess } from "./api-access.ts";
import { openMachine } from "./machine.ts";
import { serveLocally } from "../host/unix-http.ts";
import { findVirtioPort, openVirtioPort } from "../host/virtio-port.ts";
import { wait } from "../host/wait.ts";
import { AGENT_PORT } from "../layout/agent-channel.ts";
import type { AuditCaller } from "../layout/audit-log.ts";
import { helperProgram, type Helper } from "../layout/own-programs.ts";
import { proxySettings } from "./proxy-settings.ts";
import { agentRoutes, readyOf } from "./serve.ts";
import { servePort } from "./serve-port.ts";
import { AGENT_SOCKET } from "./status.ts";

const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());

const say = openEventLog("petrifyd", { write: (text) => void process.stderr.write(text) });
const notify = serviceNotifier(process.env["NOTIFY_SOCKET"]);
// By a clock that nobody sets.
const before = Number((await readText("/proc/uptime")).split(" ")[0]) * 1000 - performance.now();
const worker = (name: Helper): readonly [string] => [helperProgram(name)];
const ports = await openMachine({
  run,
  pid: process.pid,
  programs: dirname(process.execPath),
  imageWorker: worker("image"),
  proxies: proxySettings(process.env),
  installWorker: worker("install"),
  configWorker: worker("config"),
  stageRunner: worker("stage"),
  uptime: () => before + performance.now(),
  now: () => Date.now() / 1000,
  random: randomBytes,
  log: (level, line, event) => {
    say(level === "alarm" ? 3 : 6, line, event);
    if (level === "alarm") kernelLog(`petrify: ${line}`);
  },
});
const agent = await openAgent(ports);
const routes = (by: AuditCaller) => agentRoutes(agent, ports, by);
const forApi = await openApiAccess(agent, routes, ports);
const root = { name: "root", via: "socket" } as const;
const server = await serveLocally(AGENT_SOCKET, { ...routes(root), ...forApi.local(root) });
notify("READY=1");
const openPort = async () => {
  const path = await findVirtioPort(AGENT_PORT);
  return path === undefined ? undefined : await openVirtioPort(path);
};
const means = { open: openPort, wait, log: (line: string) => ports.log("info", line) };
const served = servePort(routes({ name: "hypervisor", via: "port" }), () => readyOf(agent), means, stop.signal);
const limit = Number(process.env["WATCHDOG_USEC"] ?? 0) / 1000;
const beat = setInterval(() => notify("WATCHDOG=1"), limit > 0 ? limit / 3 : 3_600_000);
giveBackFilePages();
await agent.run(stop.signal);
clearInterval(beat);
await served;
await forApi[Symbol.asyncDispose]();
await server[Symbol.asyncDispose]();
