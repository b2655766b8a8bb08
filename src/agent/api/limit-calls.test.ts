import assert from "node:assert/strict";
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { orNothing, until } from "../../../tests/support/until.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { openApi, type ApiOptions } from "./open-api.ts";
import { fakeAuthority, fakeStatus, noAgent } from "./testing.ts";

const HOST = "127.0.0.1";
const STATUS = "/petrify.v1.NodeService/Status";
const authority = await fakeAuthority();
const machine = await authority.machine(HOST);
const [alice, bob] = [await authority.person({ role: "reader" }), await authority.person({ role: "reader" })];

/** Each call lasts until it is let go. */
async function desk(limits: NonNullable<ApiOptions["limits"]>, isBusy = true) {
  const { promise: free, resolve: go } = Promise.withResolvers<void>();
  let begun = 0;
  const status = async () => {
    begun++;
    if (isBusy) await free;
    return fakeStatus;
  };
  const server = await openApi({
    ...{ at: { host: HOST, port: 0 }, ...machine, authorities: authority.certificate, epoch: 0 },
    ...{ now: secondsNow, log: () => {}, ask: noAgent, limits },
    answers: { version: "1.2.3", status, operation: async function* () {}, look: async function* () {} },
    pages: { "/page": { role: "reader", type: "text/plain", text: async () => (await status(), "text") } },
  });
  const sessions: ClientHttp2Session[] = [];
  return {
    port: server.port,
    go,
    /** Once so many calls are being answered. */
    begun: async (count: number) => await until(() => begun >= count),
    as: async ({ certificate, key }: typeof alice, settings = {}): Promise<ClientHttp2Session> => {
      const options = { cert: certificate, key, ca: authority.certificate, settings };
      const session = connect(`https://${HOST}:${server.port}`, options);
      sessions.push(session.on("error", () => {}));
      await once(session, "connect");
      return session;
    },
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) session.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

function begin(session: ClientHttp2Session, path = STATUS): ClientHttp2Stream {
  const get = { ":method": "GET", ":path": path };
  const post = { ":method": "POST", ":path": path, "content-type": "application/json" };
  return session.request(path === STATUS ? post : get, { endStream: path !== STATUS }).on("error", () => {});
}
const asked = (session: ClientHttp2Session, path = STATUS): ClientHttp2Stream => {
  const stream = begin(session, path);
  if (path === STATUS) stream.end("{}");
  return stream;
};
async function answerOf(stream: ClientHttp2Stream): Promise<string> {
  let [status, text] = ["", ""];
  stream.on("response", (answer) => (status = String(answer[":status"])));
  stream.setEncoding("utf8").on("data", (part: string) => (text += part));
  await new Promise((resolve) => stream.once("close", resolve));
  return `${status || stream.rstCode} ${text}`;
}

suite("calls that are one too many", () => {
  test("of one caller are told so, and others are answered; each that ends makes room", async () => {
    await using at = await desk({ callsOfOne: 2, calls: 4 });
    const [hers, his] = [await at.as(alice), await at.as(bob)];
    const waiting = [asked(hers), asked(hers), asked(his)].map(answerOf);
    await at.begun(3);
    assert.match(await answerOf(asked(hers)), /^429 .*resource_exhausted.*2 calls of this caller/);
    const last = answerOf(asked(his));
    await at.begun(4);
    assert.match(await answerOf(asked(await at.as(await authority.person()))), /^429 .*4 calls are answered already/);
    at.go();
    for (const answer of await Promise.all([...waiting, last])) assert.match(answer, /^200 .*edge-7/);
    assert.match(await answerOf(asked(hers)), /^200 /);
  });

  test("pages count, too", async () => {
    await using at = await desk({ callsOfOne: 1 });
    const session = await at.as(alice);
    const first = answerOf(asked(session, "/page"));
    await at.begun(1);
    assert.match(await answerOf(asked(session, "/page")), /^503 1 calls of this caller are answered already; try again later$/m);
    at.go();
    assert.equal(await first, "200 text");
  });

  test("are cut off without a word where nobody takes what they are told", async () => {
    await using at = await desk({ callsOfOne: 1, calls: 1 });
    const session = await at.as(alice, { initialWindowSize: 0 });
    void answerOf(asked(session));
    await at.begun(1);
    const [told, more] = [answerOf(asked(session)), answerOf(asked(session))];
    assert.equal(await more, "7 ", "refused: nothing has been done");
    assert.equal(await told, "429 ", "what it is told does not lie there");
  });
});

suite("a call that lies there", () => {
  test("because its request never becomes whole is ended", async () => {
    await using at = await desk({ requestMs: 200 });
    const stream = begin(await at.as(alice));
    stream.write("{");
    assert.equal(await answerOf(stream), "8 ");
  });

  test("because nobody takes its answer is ended, and one whose answer takes its time is not", async () => {
    // A connection on which nothing has been asked yet is closed after it, too.
    const quietMs = 1000;
    await using at = await desk({ quietMs });
    const session = await at.as(alice);
    const slow = answerOf(asked(session));
    await at.begun(1);
    await wait(1.5 * quietMs);
    at.go();
    assert.match(await slow, /^200 /);
    const stream = asked(await at.as(alice, { initialWindowSize: 0 }));
    assert.equal(await orNothing(answerOf(stream)), "200 ");
  });

  test("of a caller who has vanished is ended by the system, which looks for it", async () => {
    await using at = await desk({});
    const session = await at.as(alice);
    void answerOf(asked(session));
    const [own, caller] = [at.port, session.socket.localPort!].map((port) => port.toString(16).toUpperCase().padStart(4, "0"));
    const timer = async (): Promise<string> => {
      const rows = (await readFile("/proc/net/tcp", "utf8")).split("\n").map((row) => row.trim().split(/\s+/));
      return rows.find(([, local, remote]) => local?.endsWith(`:${own}`) && remote?.endsWith(`:${caller}`))?.[5] ?? "";
    };
    // Source: Linux, Documentation/networking/proc_net_tcp.rst: tr 2 is a timer of keepalive. It is another one while something is on its way.
    let seen = "";
    await until(async () => (seen = await timer()).startsWith("02:"));
    assert.match(seen, /^02:/);
  });
});
