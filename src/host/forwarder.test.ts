import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { until } from "../../tests/support/until.ts";
import { forwardThrough } from "./forward-through.ts";
import { isElsewhere, serveForwarder, type ForwarderOptions } from "./forwarder.ts";

const HOST = "127.0.0.1";
const TOKEN = "t";
const { signal } = new AbortController();

/** A server that a connection leads to, and a forwarder. */
async function forwarding(onSocket: (socket: Socket) => void, options: Partial<ForwarderOptions> = {}) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-forward-"));
  const open = new Set<Socket>();
  const target = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {}).once("close", () => open.delete(socket));
    onSocket(socket);
  }).listen(0, HOST);
  await once(target, "listening");
  const { port } = target.address() as AddressInfo;
  const path = join(folder.path, "socket");
  const forwarder = await serveForwarder({ at: { path }, token: TOKEN, port, reaches: () => true, ...options });
  return {
    ...{ path, port, open },
    through: async (host = HOST, token = TOKEN, to = port) => await forwardThrough(path, { host, port: to }, token, signal),
    [Symbol.asyncDispose]: async () => {
      await forwarder[Symbol.asyncDispose]();
      for (const socket of open) socket.destroy();
      target.close();
      await folder.remove();
    },
  };
}

suite("a forwarder", () => {
  test("passes on what both sides say, all of it, until one of them ends", async () => {
    const much = Buffer.alloc(3 * 1024 * 1024, "abc");
    await using at = await forwarding((socket) => {
      let said = 0;
      socket.on("data", (part) => {
        said += part.length;
        if (said === much.length) socket.end(much);
      });
    });
    const connection = await at.through();
    connection.write(much);
    const answer = await buffer(connection);
    assert.ok(answer.equals(much), `${answer.length} bytes`);
  });

  test("takes no more from one side than the other reads", async () => {
    let sent = 0;
    await using at = await forwarding((socket) => {
      const part = Buffer.alloc(65_536);
      const send = (): void => {
        while (socket.write(part) && sent < 1000) sent++;
      };
      socket.on("drain", send);
      send();
    });
    const connection = await at.through();
    connection.pause();
    await until(() => sent > 1);
    for (let before = -1; before !== sent; await wait(100)) before = sent;
    assert.ok(sent > 1 && sent < 500, `${sent} of 64 KiB each have gone nowhere`);
    connection.destroy();
  });

  test("ends one side when the other is gone", async () => {
    await using at = await forwarding(() => {});
    const connection = await at.through();
    const [socket] = at.open;
    const gone = once(socket!, "close");
    socket!.resume();
    connection.destroy();
    await gone;
    const again = await at.through();
    const closed = once(again, "close");
    for (const other of at.open) other.destroy();
    again.resume();
    await closed;
  });

  test("serves who has the token, and one port only", async () => {
    let reached = 0;
    await using at = await forwarding(() => void reached++);
    await assert.rejects(at.through(HOST, "other"), { code: "NODE_UNREACHABLE", message: /who asks is not known/ });
    await assert.rejects(at.through(HOST, TOKEN, 22), { code: "NODE_UNREACHABLE", message: new RegExp(`only port ${at.port}`) });
    for (const host of ["", "a b", "a/b", "a\r\nx: y", "größer"])
      await assert.rejects(at.through(host), { code: "NODE_UNREACHABLE" });
    assert.equal(reached, 0);
  });

  test("says why a machine is not reached", async () => {
    await using at = await forwarding(() => {}, { reaches: isElsewhere });
    await assert.rejects(at.through(), {
      message: /127\.0\.0\.1:\d+ is not reached from here: its address is not one of another machine/,
    });
    await assert.rejects(at.through("::1"), { message: /\[::1\]:\d+ is not reached/ });
    await assert.rejects(at.through("nobody.invalid"), { message: /its name is not known/ });
    await using none = await forwarding(() => {}, { port: 1 });
    await assert.rejects(none.through(HOST, TOKEN, 1), { message: /it does not answer \(ECONNREFUSED\)/ });
  });

  test("passes on no more connections than it may, and ends once it has passed on none for a while", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let ended = 0;
    await using at = await forwarding(() => {}, { limits: { connections: 2 }, idle: { ms: 100, end: () => void ended++ } });
    const connections = [await at.through(), await at.through()];
    await assert.rejects(at.through(), { message: /passes on 2 connections already/ });
    t.mock.timers.tick(10_000);
    assert.equal(ended, 0);
    for (const connection of connections) connection.destroy();
    await until(() => {
      t.mock.timers.tick(100);
      return ended > 0;
    });
    assert.equal(ended, 1);
  });

  test("answers nothing but CONNECT", async () => {
    await using at = await forwarding(() => {});
    const socket = connect(at.path);
    socket.end("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert.match(await text(socket), /^HTTP\/1\.1 405 /);
  });
});

suite("another machine's address", () => {
  for (const [address, is] of [
    ["192.0.2.7", true],
    ["10.0.0.1", true],
    ["fd00::7", true],
    ["2001:db8::7", true],
    ["::ffff:192.0.2.7", true],
    ["127.0.0.1", false],
    ["127.9.9.9", false],
    ["0.0.0.0", false],
    ["169.254.169.254", false],
    ["224.0.0.1", false],
    ["255.255.255.255", false],
    ["::", false],
    ["::1", false],
    ["fe80::1", false],
    ["ff02::1", false],
    ["::ffff:127.0.0.1", false],
    ["::ffff:169.254.169.254", false],
  ] as const) {
    test(`${address}: ${is}`, () => assert.equal(isElsewhere(address, address.includes(":") ? 6 : 4), is));
  }
});
