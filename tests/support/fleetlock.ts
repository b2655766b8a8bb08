/** A server of FleetLock in memory, written from the protocol's text. Source: github.com/coreos/zincati, docs/development/fleetlock/protocol.md */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

export interface FleetLockServer extends AsyncDisposable {
  readonly url: string;
  /** Ids that hold a slot, by group. */
  readonly holders: ReadonlyMap<string, ReadonlySet<string>>;
  /** Method, path and the header of each request. */
  readonly asked: readonly string[];
  /** In place of an answer. */
  fails: ((response: ServerResponse) => void) | undefined;
}

/** @param slots of each group */
export async function fleetLockServer(slots: number): Promise<FleetLockServer> {
  const holders = new Map<string, Set<string>>();
  const asked: string[] = [];
  const refuse = (response: ServerResponse, status: number, kind: string, value: string): void =>
    void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ kind, value }));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    asked.push(`${request.method} ${request.url} ${String(request.headers["fleet-lock-protocol"])}`);
    if (server.fails) return server.fails(response);
    if (request.method !== "POST") return refuse(response, 405, "method_not_allowed", "only POST");
    if (request.headers["fleet-lock-protocol"] !== "true") return refuse(response, 400, "missing_header", "fleet-lock-protocol");
    const { client_params: params } = (await json(request)) as {
      readonly client_params?: { readonly id?: string; readonly group?: string };
    };
    if (!params?.id || !/^[a-zA-Z0-9.-]+$/.test(params.group ?? "")) return refuse(response, 400, "bad_request", "client_params");
    const held = holders.get(params.group!) ?? new Set();
    holders.set(params.group!, held);
    if (request.url === "/v1/pre-reboot") {
      // Recursive: whoever holds a slot has it already.
      if (!held.has(params.id) && held.size >= slots) return refuse(response, 409, "failed_lock", `all ${slots} slots are taken`);
      held.add(params.id);
    } else if (request.url === "/v1/steady-state") held.delete(params.id);
    else return refuse(response, 404, "not_found", "no such endpoint");
    response.writeHead(200).end();
  };
  const listening = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const server: FleetLockServer = {
    ...{ url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`, holders, asked, fails: undefined },
    [Symbol.asyncDispose]: async () => {
      listening.closeAllConnections();
      await new Promise((resolve) => listening.close(resolve));
    },
  };
  return server;
}
