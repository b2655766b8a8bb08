/** What the agent answers on its machine's own socket. docs/concepts/agent.md */
import { serveLocally, type LocalHandler } from "../host/unix-http.ts";
import type { Agent } from "./agent.ts";
import { checkRequest, restartRequest, rollbackRequest, upgradeRequest } from "./operations/wire.ts";
import { AGENT_SOCKET } from "./status.ts";
import { VERIFIABLE } from "./verification.ts";

export async function serveAgent(agent: Agent, path = AGENT_SOCKET): Promise<AsyncDisposable> {
  const { operations } = agent;
  return await serveLocally(path, {
    "GET /status": () => Promise.resolve(agent.status()),
    "POST /scrub": (signal) => agent.scrub(VERIFIABLE, signal),
    ...Object.fromEntries(
      VERIFIABLE.map((image) => [`POST /scrub/${image}`, (signal: AbortSignal) => agent.scrub([image], signal)]),
    ),
    "POST /upgrade/plan": asked(upgradeRequest, async (request, signal) => await operations.plan(request, signal)),
    "POST /upgrade/check": asked(checkRequest, ({ source }, signal) => operations.check(source, signal)),
    "POST /upgrade": asked(upgradeRequest, (request, signal) => operations.upgrade(request, signal)),
    "POST /upgrade/cancel": async () => await operations.cancel(),
    "GET /operation": (signal) => operations.follow(signal),
    "POST /rollback": asked(rollbackRequest, ({ restart }, signal) => operations.rollback(restart, signal)),
    "POST /restart": asked(restartRequest, async ({ into }) => {
      await operations.restart(into);
      return { restarting: true };
    }),
    "GET /history": () => Promise.resolve({ operations: operations.history() }),
  });
}

/** A handler of requests that `parse` understands. */
const asked =
  <Request>(
    parse: (body: unknown) => Request,
    handle: (request: Request, signal: AbortSignal) => ReturnType<LocalHandler>,
  ): LocalHandler =>
  (signal, body) =>
    handle(parse(body), signal);
