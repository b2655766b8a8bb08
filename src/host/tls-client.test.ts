import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { duplexPair } from "node:stream";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import { Worker } from "node:worker_threads";
import { fakeMachine } from "../agent/api/testing.ts";
import { connectTls } from "./tls-client.ts";

const HOST = "127.0.0.1";
const never = new AbortController().signal;
const machine = await fakeMachine();

/** Takes connections as systemd does for a program that it has not started yet: nobody speaks on them before `answer` is called. */
async function waiting() {
  const held: Socket[] = [];
  const server = createServer((socket) => void held.push(socket.on("error", () => {})));
  await once(server.listen(0, HOST), "listening");
  return {
    target: { host: HOST, port: (server.address() as AddressInfo).port },
    isCalled: async () => void (await once(server, "connection")),
    answer: () => held.map((socket) => new TLSSocket(socket, { ...pairOf(machine), isServer: true, ALPNProtocols: ["h2"] })),
    [Symbol.asyncDispose]: async () => {
      for (const socket of held) socket.destroy();
      await once(server.close(), "close");
    },
  };
}
const pairOf = ({ key, certificate }: { readonly key: string; readonly certificate: string }) => ({ key, cert: certificate });

/** A port at which nobody takes connections, and whose queue is full: what is sent there is dropped. Source: listen(2), "backlog" */
async function deaf() {
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
     const server = require("node:net").createServer().listen({ port: 0, host: "${HOST}", backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
    { eval: true },
  );
  const [port] = (await once(worker, "message")) as [number];
  const queued = Array.from({ length: 4 }, () => connect({ host: HOST, port }).on("error", () => {}));
  await once(queued[1]!, "connect");
  return {
    target: { host: HOST, port },
    [Symbol.asyncDispose]: async () => {
      for (const socket of queued) socket.destroy();
      await worker.terminate();
    },
  };
}

suite("whoever is called", () => {
  test("may take longer to answer than to take the connection", { timeout: 60_000 }, async () => {
    await using at = await waiting();
    const shown: string[] = [];
    const called = at.isCalled();
    const connecting = connectTls(at.target, undefined, (one) => void shown.push(one.fingerprint), never, undefined, {
      ...{ connectMs: 1000, handshakeMs: 60_000 },
    });
    await called;
    await wait(1200);
    at.answer();
    const socket = await connecting;
    socket.destroy();
    assert.deepEqual(shown, [machine.fingerprint]);
  });

  test("and takes the connection without a word is silent, and not unreachable", { timeout: 60_000 }, async () => {
    await using at = await waiting();
    const called = connectTls(at.target, undefined, () => {}, never, undefined, { connectMs: 60_000, handshakeMs: 50 });
    const message = `${HOST} is reached at port ${at.target.port}, and has said nothing for 0.05 s`;
    await assert.rejects(called, { code: "NODE_SILENT", message, hint: /^Try again: / });
  });

  test("is as silent at the other end of what leads to it", { timeout: 60_000 }, async () => {
    const [ours] = duplexPair();
    const called = connectTls({ host: "edge-7", port: 1 }, undefined, () => {}, never, ours, {
      connectMs: 60_000,
      handshakeMs: 50,
    });
    await assert.rejects(called, { code: "NODE_SILENT", message: /^edge-7 is reached at port 1, / });
    assert.ok(ours.destroyed);
  });

  test("and takes no connection is unreachable", { timeout: 60_000 }, async () => {
    await using at = await deaf();
    const called = connectTls(at.target, undefined, () => {}, never, undefined, { connectMs: 200, handshakeMs: 60_000 });
    const message = `${HOST} does not answer at port ${at.target.port} (nothing within 0.2 s)`;
    await assert.rejects(called, { code: "NODE_UNREACHABLE", message, hint: /^Check the address, / });
  });

  test("is waited for no longer than the caller does", { timeout: 60_000 }, async () => {
    await using at = await waiting();
    const stop = new AbortController();
    const called = connectTls(at.target, undefined, () => {}, stop.signal);
    stop.abort(new Error("enough"));
    await assert.rejects(called, /enough/);
  });
});
