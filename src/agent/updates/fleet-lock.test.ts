import assert from "node:assert/strict";
import { test } from "node:test";
import { fleetLockServer } from "../../../tests/support/fleetlock.ts";
import { postJson } from "../../host/post-json.ts";
import { sha256 } from "../../host/sha256.ts";
import { fleetId, fleetLock, type FleetLock } from "./fleet-lock.ts";

const { signal } = new AbortController();
const lockOf = (url: string, id: string, group = "edge"): FleetLock => fleetLock({ url, group }, id, postJson);

test("a slot is had by as many as there are, by each group for itself, again by whoever has it, and by another one once it is given back", async () => {
  await using server = await fleetLockServer(1);
  const [one, two, other] = [lockOf(server.url, "one"), lockOf(server.url, "two"), lockOf(server.url, "three", "other")];
  await one.take(signal);
  await one.take(signal);
  await other.take(signal);
  await assert.rejects(two.take(signal), {
    code: "FLEET_LOCK_REFUSED",
    message: "the fleet's lock server answers 409: failed_lock: all 1 slots are taken",
  });
  await one.giveBack(signal);
  await one.giveBack(signal);
  await two.take(signal);
  assert.deepEqual([...server.holders.get("edge")!], ["two"]);
});

test("it is asked as the protocol has it: by POST, with its header, id and group", async () => {
  await using server = await fleetLockServer(1);
  await fleetLock({ url: server.url, group: "edge", id: "kiosk-7" }, "other", postJson).take(signal);
  await lockOf(server.url, "one").giveBack(signal);
  assert.deepEqual(server.asked, ["POST /v1/pre-reboot true", "POST /v1/steady-state true"]);
  assert.deepEqual([...server.holders.get("edge")!], ["kiosk-7"]);
});

test("a server that answers nonsense, hangs up, leads elsewhere or is not there has granted nothing", async () => {
  await using server = await fleetLockServer(1);
  const lock = lockOf(server.url, "one");
  const refused = async (what: RegExp): Promise<void> => await assert.rejects(lock.take(signal), what);
  server.fails = (response) => void response.writeHead(500).end("<html>\u001b[31m");
  await refused(/^AppError: the fleet's lock server answers 500$/);
  server.fails = (response) =>
    void response.writeHead(503).end(JSON.stringify({ kind: "a\u001b[31m\n", value: "b".repeat(9000) }));
  await refused(/^AppError: the fleet's lock server answers 503: a \[31m : b{300,400}…$/);
  server.fails = (response) => void response.writeHead(302, { location: server.url }).end();
  await refused(/answers 302$/);
  server.fails = (response) => void response.destroy();
  await refused(/the fleet's lock server does not answer: /);
  await assert.rejects(lockOf("http://127.0.0.1:1", "one").take(signal), { code: "FLEET_LOCK_UNREACHABLE" });
  assert.equal(server.holders.size, 0);
});

test("whoever stops waiting is told so, and not that the server does not answer", async () => {
  await using server = await fleetLockServer(1);
  server.fails = () => {};
  const stop = new AbortController();
  const asked = lockOf(server.url, "one").take(stop.signal);
  stop.abort(new Error("stopped"));
  await assert.rejects(asked, /^Error: stopped$/);
});

test("a machine is known by the same id each time, which does not tell its machine id", () => {
  const id = fleetId("9b4ebec13da545d18e600c277c98fcaf", sha256);
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(id, fleetId("9b4ebec13da545d18e600c277c98fcaf", sha256));
  assert.notEqual(id, fleetId("9b4ebec13da545d18e600c277c98fcae", sha256));
});

test("of twenty machines that ask at once, some of them twice, never more are away than there are slots", async () => {
  await using server = await fleetLockServer(3);
  let [away, most, done] = [0, 0, 0];
  const machine = async (index: number): Promise<void> => {
    const lock = lockOf(server.url, `machine-${index}`);
    for (;;) {
      const isHad = await lock.take(signal).then(
        () => true,
        () => false,
      );
      if (!isHad) continue;
      if (index % 3 === 0) await lock.take(signal); // its agent was killed, and asks again
      most = Math.max(most, ++away);
      await new Promise((resolve) => setImmediate(resolve));
      away--;
      done++;
      return await lock.giveBack(signal);
    }
  };
  await Promise.all(Array.from({ length: 20 }, async (_, index) => await machine(index)));
  assert.deepEqual([done, away, [...server.holders.get("edge")!]], [20, 0, []]);
  assert.ok(most >= 1 && most <= 3, `${most} were away at once`);
});
