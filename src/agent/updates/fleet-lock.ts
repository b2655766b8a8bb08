/**
 * Asks a server of FleetLock whether this machine may be away now, and tells it when it is back. Both may be asked again: who holds a slot is given the same one.
 *
 * Source: FleetLock protocol, github.com/coreos/zincati, docs/development/fleetlock/protocol.md
 */
import { hex, type Sha256 } from "../../core/digest.ts";
import { AppError } from "../../core/error.ts";
import type { FleetLockConfig } from "../../config/updates/updates-config.ts";
import { shortLine } from "../../layout/short-line.ts";

/** One POST of JSON, and what comes back; nothing is followed. @throws Error where no answer comes */
export type PostJson = (
  url: string,
  body: object,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<{ readonly status: number; readonly text: string }>;

export interface FleetLock {
  /** Before a restart. @throws AppError `FLEET_LOCK_REFUSED`: not now; `FLEET_LOCK_UNREACHABLE` */
  readonly take: (signal: AbortSignal) => Promise<void>;
  /** At every start, once the machine is healthy, and when nothing comes of a restart. @throws AppError the same */
  readonly giveBack: (signal: AbortSignal) => Promise<void>;
}

/** @param id of this machine, where the config names none */
export function fleetLock({ url, group, id: named }: FleetLockConfig, id: string, post: PostJson): FleetLock {
  const ask = async (endpoint: "pre-reboot" | "steady-state", signal: AbortSignal): Promise<void> => {
    const body = { client_params: { id: named ?? id, group } };
    const answer = await post(`${url}/v1/${endpoint}`, body, { "fleet-lock-protocol": "true" }, signal).catch(
      (cause: unknown) => {
        signal.throwIfAborted();
        throw new AppError(
          "FLEET_LOCK_UNREACHABLE",
          `the fleet's lock server does not answer: ${shortLine((cause as Error).message)}`,
          {
            hint: "It is asked again.",
            cause,
          },
        );
      },
    );
    if (answer.status >= 200 && answer.status < 300) return;
    throw new AppError("FLEET_LOCK_REFUSED", `the fleet's lock server answers ${answer.status}${refusal(answer.text)}`, {
      hint: "Another machine may be away: it is asked again.",
    });
  };
  return {
    take: async (signal) => await ask("pre-reboot", signal),
    giveBack: async (signal) => await ask("steady-state", signal),
  };
}

/** Source: FleetLock protocol, "Error response": a JSON object with kind and value, both text. */
function refusal(text: string): string {
  try {
    const { kind, value } = JSON.parse(text) as { readonly kind?: unknown; readonly value?: unknown };
    if (typeof kind !== "string" || typeof value !== "string") return "";
    return `: ${shortLine(`${kind}: ${value}`)}`;
  } catch {
    return "";
  }
}

/** Not the machine's id itself, which others should not learn: the same each time, and of this purpose. Source: machine-id(5) */
export const fleetId = (machineId: string, sha256: Pick<Sha256, "digest">): string =>
  hex(sha256.digest(new TextEncoder().encode(`petrify fleetlock ${machineId}`))).slice(0, 32);
