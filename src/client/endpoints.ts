/** Reaching machines through those that can. docs/concepts/api.md */
import type { Duplex } from "node:stream";
import { AppError, errorDocument } from "../core/error.ts";
import type { NodePlace } from "./contexts.ts";
import { forwardThrough } from "./forward.ts";
import type { NodeConnection } from "./open-node.ts";

export interface Endpoints extends AsyncDisposable {
  /** @returns what leads to a machine; nothing to an endpoint, which is reached directly @throws AppError `NO_ENDPOINT`, and what the endpoint says */
  readonly to: (place: NodePlace, signal: AbortSignal) => Promise<Duplex | undefined>;
}

/**
 * The first endpoint that answers, for as long as it is needed.
 *
 * @param open a connection to an endpoint itself
 */
export function openEndpoints(
  endpoints: readonly NodePlace[],
  open: (endpoint: NodePlace) => Promise<NodeConnection>,
): Endpoints {
  let chosen: Promise<readonly [string, NodeConnection]> | undefined;
  const choose = async (): Promise<readonly [string, NodeConnection]> => {
    const failures: string[] = [];
    for (const endpoint of endpoints) {
      try {
        return [endpoint.name, await open(endpoint)];
      } catch (error) {
        failures.push(`${endpoint.name}: ${errorDocument(error).message}`);
      }
    }
    throw new AppError("NO_ENDPOINT", `no endpoint of the context answers (${failures.join("; ")})`, {
      hint: "petrify context endpoint --none, where the machines can be reached directly.",
    });
  };
  const isOne = ({ name, host, port }: NodePlace): boolean =>
    endpoints.some((one) => one.name === name || (one.host === host && one.port === port));
  return {
    to: async (place, signal) => {
      if (isOne(place)) return undefined;
      for (let again = false; ; again = true) {
        const way = (chosen ??= choose());
        try {
          const [name, connection] = await way;
          return await forwardThrough(connection, name, place, signal);
        } catch (error) {
          // One that has gone meanwhile is chosen no more; who has noticed first chooses for all.
          const isGone = error instanceof AppError && ["NODE_HUNG_UP", "NODE_SILENT", "NO_ENDPOINT"].includes(error.code);
          if (isGone && chosen === way) chosen = undefined;
          if (!isGone || again || error.code === "NO_ENDPOINT") throw error;
        }
      }
    },
    [Symbol.asyncDispose]: async () => {
      const [, connection] = (await chosen?.catch(() => undefined)) ?? [];
      await connection?.[Symbol.asyncDispose]();
    },
  };
}
