import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Server, Socket } from "node:net";
import { test } from "node:test";
import { watchIdle } from "./watch-idle.ts";

test("a server is idle once nobody has been connected for so long: at first, and after the last one", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const tick = (ms: number): void => t.mock.timers.tick(ms);
  const server = new EventEmitter() as Server;
  let ended = 0;
  const connected = (): Socket => {
    const socket = new EventEmitter() as Socket;
    server.emit("connection", socket);
    return socket;
  };
  watchIdle(server, { ms: 100, end: () => void ended++ });
  tick(99);
  const [one, other] = [connected(), connected()];
  tick(1000);
  one.emit("close");
  tick(1000);
  other.emit("close");
  tick(99);
  assert.equal(ended, 0);
  connected().emit("close");
  tick(99);
  assert.equal(ended, 0, "it is all of the time again");
  tick(1);
  assert.equal(ended, 1);
});

test("a server that is closed is not idle, whenever its last connection ends", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const order of [
    ["socket", "server"],
    ["server", "socket"],
  ] as const) {
    const emitters = { server: new EventEmitter() as Server, socket: new EventEmitter() as Socket };
    watchIdle(emitters.server, { ms: 100, end: () => assert.fail("it has ended already") });
    emitters.server.emit("connection", emitters.socket);
    for (const name of order) emitters[name].emit("close");
    t.mock.timers.tick(1000);
  }
});
