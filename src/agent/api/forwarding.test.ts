import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { suite, test } from "node:test";
import { openEndpoints } from "../../client/endpoints.ts";
import { forwardThrough } from "../../client/forward.ts";
import type { NodePlace } from "../../client/contexts.ts";
import { openNode, type NodeConnection } from "../../client/open-node.ts";
import { AppError } from "../../core/error.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import type { AgentStatus } from "../status.ts";
import type { Dial } from "./forwarding-service.ts";
import { openApi } from "./open-api.ts";
import { fakeAuthority, fakeMachine, fakeStatus, noAgent, type Pair } from "./testing.ts";

const HOST = "127.0.0.1";
const ours = await fakeAuthority();
const admin = await ours.person({ role: "reader" });
const { signal } = new AbortController();

async function machine(hostname: string, dial?: Dial, ask = async (): Promise<AgentStatus> => await Promise.resolve(fakeStatus)) {
  const { fingerprint, ...pair } = await fakeMachine();
  const lines: string[] = [];
  const status = async (): Promise<AgentStatus> => ({ ...(await ask()), machine: { id: "9b4e", hostname } });
  const server = await openApi({
    ...{ at: { host: HOST, port: 0 }, ...pair, authorities: ours.certificate, epoch: 0, now: secondsNow },
    answers: {
      version: "1.2.3",
      status,
      operation: async function* () {},
      look: async function* () {},
    },
    ask: noAgent,
    log: (line) => lines.push(line),
    ...(dial ? { dial } : {}),
  });
  const place: NodePlace = { name: hostname, host: HOST, port: server.port, fingerprint };
  return { place, lines, [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose]() };
}

/** Connects, and remembers what goes over the connection. */
function wire() {
  const sockets: Socket[] = [];
  const seen: Buffer[] = [];
  const dial: Dial = async (target) => {
    const socket = connect(target);
    await once(socket, "connect");
    sockets.push(socket);
    const [write, push] = [socket.write.bind(socket), socket.push.bind(socket)];
    socket.write = (part: Uint8Array | string) => (seen.push(Buffer.from(part)), write(part));
    socket.push = (part: Buffer | null) => (part && seen.push(Buffer.from(part)), push(part));
    return socket;
  };
  return { sockets, dial, seen: () => Buffer.concat(seen).toString("latin1") };
}

const open = async (place: NodePlace, through?: Parameters<typeof openNode>[4], person: Pair = admin): Promise<NodeConnection> =>
  await openNode(place, { ...person, authorities: ours.certificate }, () => {}, signal, through);

suite("an endpoint", () => {
  test("leads to another machine, whose caller and key are the same as without it, and can read nothing", async () => {
    const { dial, sockets, seen } = wire();
    await using node = await machine("edge-7");
    await using endpoint = await machine("edge-1", dial);
    await using ways = openEndpoints([endpoint.place], open);
    {
      await using connection = await open(node.place, await ways.to(node.place, signal));
      const { machine: found } = await connection.node.version({});
      assert.equal(found?.hostname, "edge-7");
    }
    assert.deepEqual(endpoint.lines, [`alice reaches ${HOST}:${node.place.port} through this machine`]);
    assert.ok(seen().length > 1000, "the test sees what goes over the wire");
    // Not even the certificates: TLS 1.3 hides them.
    for (const word of ["edge-7", "1.2.3", "alice", "petrify"]) assert.ok(!seen().includes(word), word);
    for (const socket of sockets) if (!socket.closed) await once(socket, "close");
  });

  test("cannot put itself in a machine's place", async () => {
    await using false7 = await machine("edge-7");
    await using node = await machine("edge-7");
    await using endpoint = await machine("edge-1", async (_, stop) => await wire().dial(false7.place, stop));
    await using ways = openEndpoints([endpoint.place], open);
    await assert.rejects(open(node.place, await ways.to(node.place, signal)), { code: "NODE_KEY_DIFFERS" });
  });

  test("is reached directly, and the next one is taken where one does not answer", async () => {
    const { dial, sockets } = wire();
    await using node = await machine("edge-7");
    await using endpoint = await machine("edge-2", dial);
    const gone: NodePlace = { name: "edge-1", host: HOST, port: 1 };
    await using ways = openEndpoints([gone, endpoint.place], open);
    assert.equal(await ways.to(endpoint.place, signal), undefined);
    await using connection = await open(node.place, await ways.to(node.place, signal));
    assert.equal((await connection.node.version({})).machine?.hostname, "edge-7");
    assert.equal(sockets.length, 1);
    await using none = openEndpoints([gone], open);
    await assert.rejects(none.to(node.place, signal), { code: "NO_ENDPOINT", message: /edge-1: .*ECONNREFUSED/ });
  });

  test("says that it does not reach a machine; one that has no way to others does not know the call", async () => {
    const refuses: Dial = async () => await Promise.reject(new AppError("NODE_UNREACHABLE", "x:1 is not reached from here: why"));
    await using endpoint = await machine("edge-1", refuses);
    await using alone = await machine("edge-2");
    const place = { name: "x", host: "x", port: 1 };
    await using ways = openEndpoints([endpoint.place], open);
    await assert.rejects(ways.to(place, signal), { code: "NODE_UNREACHABLE", message: "x:1 is not reached from here: why" });
    await using noWays = openEndpoints([alone.place], open);
    await assert.rejects(noWays.to(place, signal), { code: "NODE_TOO_OLD" });
  });

  test("is not waited for for ever where it does not say whether it reaches a machine", async () => {
    const waits: Dial = async (_, stop) => await new Promise((_resolve, reject) => stop.addEventListener("abort", reject));
    await using endpoint = await machine("edge-1", waits);
    await using connection = await open(endpoint.place);
    const reached = forwardThrough(connection, "edge-1", { host: "x", port: 1 }, signal, 50);
    await assert.rejects(reached, {
      code: "NODE_SILENT",
      message: "edge-1 does not say whether it reaches x",
      hint: /^Try again/,
    });
  });

  test("ends a connection that the other machine ends, and one whose caller goes away", async () => {
    const { dial, sockets } = wire();
    await using node = await machine("edge-7");
    await using endpoint = await machine("edge-1", dial);
    await using ways = openEndpoints([endpoint.place], open);
    const cut = await ways.to(node.place, signal);
    cut!.resume();
    sockets[0]!.destroy();
    await once(cut!, "close");
    const left = await ways.to(node.place, signal);
    left!.destroy();
    if (!sockets[1]!.closed) await once(sockets[1]!, "close");
  });

  test("that is gone takes what was asked through it along", async () => {
    const { dial } = wire();
    const status = Promise.withResolvers<never>();
    await using node = await machine("edge-7", undefined, async () => await status.promise);
    const endpoint = await machine("edge-1", dial);
    await using ways = openEndpoints([endpoint.place], open);
    await using connection = await open(node.place, await ways.to(node.place, signal));
    const asked = assert.rejects(connection.node.status({}), /closed|reset/);
    await endpoint[Symbol.asyncDispose]();
    await asked;
  });

  test("that is gone gives way to the next one", async () => {
    const { dial } = wire();
    await using node = await machine("edge-7");
    const first = await machine("edge-1", dial);
    await using second = await machine("edge-2", dial);
    await using ways = openEndpoints([first.place, second.place], open);
    (await ways.to(node.place, signal))!.destroy();
    await first[Symbol.asyncDispose]();
    await using connection = await open(node.place, await ways.to(node.place, signal));
    assert.equal((await connection.node.version({})).machine?.hostname, "edge-7");
    assert.equal(second.lines.length, 1);
  });

  test("carries more than fits in any buffer, both ways, for several machines at a time", async () => {
    const { dial } = wire();
    await using node = await machine("edge-7");
    await using endpoint = await machine("edge-1", dial);
    await using ways = openEndpoints([endpoint.place], open);
    const ask = async (): Promise<void> => {
      await using connection = await open(node.place, await ways.to(node.place, signal));
      for (let round = 0; round < 20; round++) await connection.node.status({});
    };
    await Promise.all(Array.from({ length: 8 }, ask));
  });
});
