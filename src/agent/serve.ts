/** What the agent answers on its machine's own socket. docs/concepts/agent.md */
import { serveLocally } from "../host/unix-http.ts";
import type { Agent } from "./agent.ts";
import { AGENT_SOCKET } from "./status.ts";
import { VERIFIABLE } from "./verification.ts";

export async function serveAgent(agent: Agent, path = AGENT_SOCKET): Promise<AsyncDisposable> {
  return await serveLocally(path, {
    "GET /status": () => Promise.resolve(agent.status()),
    "POST /scrub": (signal) => agent.scrub(VERIFIABLE, signal),
    ...Object.fromEntries(
      VERIFIABLE.map((image) => [`POST /scrub/${image}`, (signal: AbortSignal) => agent.scrub([image], signal)]),
    ),
  });
}
