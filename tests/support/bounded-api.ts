/** petrify-api as a machine has it, for tests of what callers can do to it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { connect, type TLSSocket } from "node:tls";
import { fakeAuthority, fakeMachine, fakeStatus } from "../../src/agent/api/testing.ts";
import { openNode } from "../../src/client/open-node.ts";
import type { LocalRoutes } from "../../src/host/unix-http.ts";
import { apiProgram, startApi } from "./api-program.ts";

const HOST = "127.0.0.1";
/** Megabytes; the unit gives it 192 MiB. Idle it has some 20, and as much as callers can make of it 117 to 131, as the collector of garbage gets to it. */
export const MOST_MEMORY = 165;

const program = await apiProgram();
const authority = await fakeAuthority();
const machine = await fakeMachine();
const [person, other] = [await authority.person({ role: "reader" }), await authority.person({ role: "reader" })];

/** @param agent what the agent answers besides who it is */
export async function boundedApi(agent: LocalRoutes = {}) {
  const api = await startApi(
    program,
    { key: machine.key, "api_ca.pem": authority.certificate },
    { "GET /status": async () => await Promise.resolve(fakeStatus), ...agent },
  );
  const tls = { host: HOST, port: api.port, cert: person.certificate, key: person.key, rejectUnauthorized: false } as const;
  const sockets: TLSSocket[] = [];
  return {
    ...api,
    /** For a library of HTTP/2. */
    tls,
    /** A connection of a reader, past its handshake, that says nothing by itself. What comes is read only when something reads it. */
    connect: async (protocol = "h2"): Promise<TLSSocket> => {
      const socket = connect({ ...tls, ALPNProtocols: [protocol] });
      sockets.push(socket);
      await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
      return socket.on("error", () => {});
    },
    /** Its own, in megabytes, without what is read from files. */
    memory: async (): Promise<number> =>
      Number(/^RssAnon:\s+(\d+)/m.exec(await readFile(`/proc/${api.child.pid}/status`, "utf8"))?.[1]) / 1000,
    /** Somebody else, whose call is not to suffer. */
    answers: async (): Promise<void> => {
      const target = { name: "edge-7", host: HOST, port: api.port, fingerprint: machine.fingerprint };
      const credentials = { ...other, authorities: authority.certificate };
      await using connection = await openNode(target, credentials, () => {}, new AbortController().signal);
      assert.equal((await connection.node.version({})).machine?.hostname, "edge-7");
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await api[Symbol.asyncDispose]();
    },
  };
}
export type BoundedApi = Awaited<ReturnType<typeof boundedApi>>;
