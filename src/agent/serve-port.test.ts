import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { suite, test } from "node:test";
import type { LocalRoutes } from "../host/unix-http.ts";
import type { VirtioPort } from "../host/virtio-port.ts";
import { servePort, type PortMeans } from "./serve-port.ts";

const ROUTES: LocalRoutes = { "GET /status": () => Promise.resolve({ health: "healthy" }) };
const READY = { boot: "1b4e", running: "a", state: "trial" } as const;
const HELLO = `\n${JSON.stringify({ ready: READY })}\n`;
const ANSWER = '{"id":1,"value":{"health":"healthy"}}\n{"id":1,"end":true}\n';
const CALL = '{"id":1,"call":"GET /status"}\n';

/** What a port gives at each look, or what becomes of it: nothing, nobody, unplugged, absent. Its end stops the agent. */
type Step = string | Error;

async function played(steps: readonly Step[], room = (): number => 7): Promise<{ out: string; log: string[]; waits: number[] }> {
  const left = [...steps];
  const stop = new AbortController();
  const log: string[] = [];
  const waits: number[] = [];
  let out = "";
  const port: VirtioPort = {
    read: async () => {
      for (let turn = 0; turn < 60; turn++) await setImmediate(); // whatever is under way is written
      const step = left.shift();
      if (step === undefined) stop.abort();
      if (step === undefined || step === "nothing") return new Uint8Array();
      if (step === "nobody") return undefined;
      if (step === "unplugged") throw new Error("ENODEV");
      return Buffer.from(String(step));
    },
    write: async (bytes) => {
      await Promise.resolve();
      const taken = Math.min(bytes.length, room());
      out += Buffer.from(bytes.subarray(0, taken)).toString();
      return taken;
    },
    [Symbol.asyncDispose]: async () => await Promise.resolve(),
  };
  const means: PortMeans = {
    open: async () => {
      await Promise.resolve();
      if (left.length === 0) stop.abort();
      if (left[0] === "absent") return void left.shift();
      if (left[0] instanceof Error) throw left.shift() as unknown as Error;
      return port;
    },
    wait: async (ms, signal) => {
      await setImmediate();
      signal.throwIfAborted();
      waits.push(ms);
    },
    log: (line) => void log.push(line),
  };
  await servePort(ROUTES, () => READY, means, stop.signal);
  return { out, log, waits };
}

suite("the hypervisor's port", () => {
  test("is looked for every ten seconds where there is none, and nothing is said", async () => {
    const { out, log, waits } = await played(["absent", "absent"]);
    assert.deepEqual([out, log, waits.slice(0, 2)], ["", [], [10_000, 10_000]]);
  });

  test("that appears late is answered: what runs, then the calls, in whatever pieces they come and go", async () => {
    const { out } = await played(["absent", "nobody", "nothing", CALL.slice(0, 9), "nothing", CALL.slice(9), "nothing"]);
    assert.equal(out, HELLO + ANSWER);
  });

  test("that is closed at the other end and opened again begins anew, without what was left unfinished", async () => {
    const { out } = await played(["nothing", '{"id":7,', "nobody", "nobody", CALL, "nothing"]);
    assert.equal(out, HELLO + HELLO + ANSWER);
  });

  test("that is taken out is opened again once it is back", async () => {
    const { out, log } = await played(["nothing", "unplugged", "absent", CALL, "nothing"]);
    assert.equal(out, HELLO + HELLO + ANSWER);
    assert.deepEqual(log, ["the port of whoever runs this machine: ENODEV"]);
  });

  test("that cannot be opened is said to be, once, and tried again", async () => {
    const busy = new Error("EBUSY");
    const { out, log } = await played([busy, busy, CALL, "nothing"]);
    assert.equal(out, HELLO + ANSWER);
    assert.deepEqual(log, ["the port of whoever runs this machine: EBUSY"]);
  });

  test("whose other end takes nothing for 30 s begins anew when it does again", async () => {
    let looks = 0;
    const { out } = await played(["nothing", CALL, "nothing", "nothing"], () => (looks++ > 3 && looks < 3_010 ? 0 : 10));
    assert.match(out, /^\n\{"ready[^]*\n\{"ready":\{"boot":"1b4e","running":"a","state":"trial"\}\}\n/);
  });

  test("is looked at seldom while nobody asks, and often as soon as somebody does", async () => {
    const { waits } = await played([...Array.from({ length: 30 }, () => "nothing"), CALL, "nothing"]);
    const idle = waits.slice(0, 30);
    assert.equal(idle.at(-1), 250);
    assert.ok(waits.at(-1)! < 20, String(waits.at(-1)));
  });
});
