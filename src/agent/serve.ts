/** What the agent answers: on its machine's own socket, and to whoever runs the machine. docs/concepts/agent.md */
import type { LocalHandler, LocalRoutes } from "../host/unix-http.ts";
import type { ChannelReady } from "../layout/agent-channel.ts";
import type { AuditCaller } from "../layout/audit-log.ts";
import { INSTALL_CALLS, parseInstallRequest, parsePlanRequest } from "../layout/install.ts";
import type { Agent } from "./agent.ts";
import type { AutomaticReport } from "./install/automatic.ts";
import {
  applyRequest,
  checkRequest,
  configDiffRequest,
  configRollbackRequest,
  configSourcesRequest,
  lockNameRequest,
  lockRequest,
  pauseRequest,
  copyRequest,
  resetRequest,
  restartRequest,
  rollbackRequest,
  serviceRequest,
  upgradeRequest,
} from "./operations/wire.ts";
import { auditPieces } from "./audit-log.ts";
import { audited } from "./audited.ts";
import { serviceList } from "./look/service-list.ts";
import type { AgentPorts } from "./ports.ts";
import { changeService } from "./change-service.ts";
import { VERIFIABLE } from "./verification.ts";

/** What its answers take of the machine itself. */
type Served = Pick<AgentPorts, "audit" | "init" | "now" | "uptime" | "updates">;

/** @param by who asks, for the audit log */
export function agentRoutes(agent: Agent, ports: Served, by: AuditCaller): LocalRoutes {
  return audited(plainRoutes(agent, ports, by), ports.audit, by);
}

function plainRoutes(agent: Agent, { audit, init, now, uptime, updates }: Served, by: AuditCaller): LocalRoutes {
  const { operations, installer, config } = agent;
  return {
    "GET /status": () => Promise.resolve(agent.status()),
    "POST /scrub": (signal) => agent.scrub(VERIFIABLE, signal),
    ...Object.fromEntries(
      VERIFIABLE.map((image) => [`POST /scrub/${image}`, (signal: AbortSignal) => agent.scrub([image], signal)]),
    ),
    "POST /upgrade/plan": asked(upgradeRequest, async (request, signal) => await operations.plan(request, signal)),
    "POST /upgrade/check": asked(checkRequest, (request, signal) => operations.check(request, signal)),
    "POST /upgrade": asked(upgradeRequest, (request, signal) => operations.upgrade(request, signal, by.name)),
    "POST /upgrade/cancel": async () => await operations.cancel(),
    "GET /operation": (signal) => operations.follow(signal),
    "POST /rollback": asked(rollbackRequest, ({ restart }, signal) => operations.rollback(restart, signal, by.name)),
    "POST /reset/plan": asked(resetRequest, async (request, signal) => await agent.reset.plan(request, signal)),
    "POST /reset": asked(resetRequest, (request, signal) => agent.reset.reset(request, signal)),
    "POST /wipe": (signal) => agent.reset.wipe(signal),
    "POST /restart": asked(restartRequest, async ({ into }) => {
      await operations.restart(into, by.name);
      return { restarting: true };
    }),
    "POST /shutdown": async () => {
      await operations.powerOff(by.name);
      return { stopping: true };
    },
    "GET /services": async (signal) => ({
      services: serviceList(init.kind, await init.services(signal), now() - uptime() / 1000),
    }),
    "POST /service": asked(serviceRequest, async (request) => await changeService(init, request)),
    // Whoever copies files out of the machine says so first; petrify-look reads them.
    "POST /copy": asked(copyRequest, async () => await Promise.resolve({ noted: true })),
    "GET /audit": () => auditPieces(audit),
    "POST /config/apply": asked(applyRequest, async (request, signal) => await config.apply(request, signal)),
    "POST /config/rollback": asked(configRollbackRequest, async (request, signal) => await config.rollback(request, signal)),
    "POST /config/confirm": async () => await config.confirm(),
    "POST /config/diff": asked(configDiffRequest, async (request, signal) => await config.diff(request, signal)),
    "POST /config/sources": asked(configSourcesRequest, async (request, signal) => await config.sources(request, signal)),
    "GET /config/history": async (signal) => await config.history(signal),
    [INSTALL_CALLS.disks]: (signal) => installer.disks(signal),
    [INSTALL_CALLS.plan]: asked(parsePlanRequest, (request, signal) => installer.plan(request, signal)),
    [INSTALL_CALLS.install]: asked(parseInstallRequest, (request, signal) => installer.install(request, signal)),
    [INSTALL_CALLS.follow]: (signal) => installer.follow(signal),
    [INSTALL_CALLS.automatic]: () => {
      const report: AutomaticReport = { status: agent.automatic.status(), isUnderWay: installer.isUnderWay() };
      return Promise.resolve(report);
    },
    "GET /updates": async () => await (await agent.updates()).status(),
    "GET /updates/plan": async () => await (await agent.updates()).plan(),
    "POST /updates/check": async (signal) => await (await agent.updates()).check(signal),
    "POST /updates/apply": async (signal) => await (await agent.updates()).apply(signal),
    "POST /updates/pause": asked(pauseRequest, async (request) => await (await agent.updates()).pause(request, by.name)),
    "POST /updates/resume": async () => await (await agent.updates()).resume(),
    "POST /lock": asked(lockRequest, async (lock) => {
      await updates.locks.set(lock);
      return { changed: true, ...(await updates.locks.read()) };
    }),
    "POST /lock/release": asked(lockNameRequest, async (name) => {
      const changed = await updates.locks.remove(name);
      return { changed, ...(await updates.locks.read()) };
    }),
    "GET /history": () => {
      const { operation } = agent.status();
      return Promise.resolve({ ...(operation ? { now: operation } : {}), operations: operations.history() });
    },
  };
}

/** What a session with whoever runs the machine begins with. */
export function readyOf(agent: Agent): ChannelReady {
  const { boot, running, state } = agent.status();
  return { boot: boot.id, running, state };
}

/** A handler of requests that `parse` understands. */
const asked =
  <Request>(
    parse: (body: unknown) => Request,
    handle: (request: Request, signal: AbortSignal) => ReturnType<LocalHandler>,
  ): LocalHandler =>
  (signal, body) =>
    handle(parse(body), signal);
