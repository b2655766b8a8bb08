import type { AgentStatus } from "../../../src/agent/status.ts";
import type { Guest } from "./guest.ts";

/** What the machine's agent says, asked as a user would. @param wanted asked again until it holds */
export async function statusOf(
  guest: Guest,
  wanted: (status: AgentStatus) => boolean = isSettled,
  limitMs = 180_000,
): Promise<AgentStatus> {
  const end = performance.now() + limitMs;
  for (;;) {
    const { status, output } = await guest.run("petrify status --json");
    const found = status === 0 ? (JSON.parse(output) as { readonly value: AgentStatus }).value : undefined;
    if (found && wanted(found)) return found;
    if (performance.now() > end) throw new Error(`the agent's status is not what it should become: ${output}`);
  }
}

/** Its checks have come to a result. */
const isSettled = ({ health }: AgentStatus): boolean => health.is !== "starting";
