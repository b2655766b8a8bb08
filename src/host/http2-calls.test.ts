import assert from "node:assert/strict";
import { once } from "node:events";
import { constants, createServer, type ServerHttp2Stream } from "node:http2";
import { duplexPair } from "node:stream";
import { suite, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { http2Calls, type Http2Request } from "./http2-calls.ts";

const ORIGIN = "http://x";
const KEEP_ALIVE = { everyMs: 30_000, limitMs: 60_000 };

/** Calls to a server that is reached over no socket of the system: both are in this process. */
function calling(onStream: (stream: ServerHttp2Stream, path: string) => void) {
  const server = createServer();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    onStream(stream as ServerHttp2Stream, headers[":path"] ?? "");
  });
  server.on("sessionError", () => {});
  const [ours, theirs] = duplexPair();
  server.emit("connection", theirs);
  const calls = http2Calls(ORIGIN, ours, KEEP_ALIVE);
  const ask = async (path: string, more: Partial<Http2Request> = {}) =>
    await calls.request({ method: "POST", url: `${ORIGIN}${path}`, header: new Headers({ x: "y" }), ...more });
  return { ask, cut: () => ours.destroy(), [Symbol.asyncDispose]: async () => await calls[Symbol.asyncDispose]() };
}

async function* parts(...all: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of all) yield await Promise.resolve(Buffer.from(part));
}
/** Both ends are in this process: what they have to say to each other is said after that many turns, however slow the machine is. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 100; turns++) await turn();
}
const textOf = async (body: AsyncIterable<Uint8Array>): Promise<string> => Buffer.concat(await Array.fromAsync(body)).toString();

suite("a connection", () => {
  test("ends with its requests once nobody answers at the other end", { timeout: 20_000 }, async ({ mock }) => {
    mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
    const [ours, theirs] = duplexPair();
    theirs.resume(); // takes everything, and says nothing
    await using calls = http2Calls(ORIGIN, ours, KEEP_ALIVE);
    const asked = calls.request({ method: "POST", url: `${ORIGIN}/`, header: new Headers() });
    const failed = assert.rejects(asked, /the connection was closed/);
    await settled(); // it is connected
    mock.timers.tick(KEEP_ALIVE.everyMs);
    mock.timers.tick(KEEP_ALIVE.limitMs - 1);
    assert.ok(!ours.destroyed, "it still has the time that it has");
    mock.timers.tick(1);
    await failed;
    assert.ok(ours.destroyed);
  });

  test("stays while the other end answers, however long a response takes", async ({ mock }) => {
    mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
    const late = Promise.withResolvers<ServerHttp2Stream>();
    await using at = calling((stream, path) => {
      stream.respond({ ":status": 200 });
      if (path === "/late") late.resolve(stream);
      else stream.end();
    });
    const { body } = await at.ask("/late");
    for (let passed = 0; passed < 10 * KEEP_ALIVE.limitMs; passed += KEEP_ALIVE.everyMs) {
      mock.timers.tick(KEEP_ALIVE.everyMs);
      await textOf((await at.ask("/now")).body); // what was asked before it has been answered then
    }
    (await late.promise).end("late");
    assert.equal(await textOf(body), "late");
  });
});

suite("a request", () => {
  test("has the response's status, header and body, also where all of it comes at once", async () => {
    await using at = calling((stream, path) => {
      stream.respond({ ":status": 418, "content-type": "text/plain" });
      stream.end(`short ${path}`);
    });
    const answer = await at.ask("/tea?cups=2");
    await settled(); // nobody reads for a while
    assert.deepEqual([answer.status, answer.header.get("content-type")], [418, "text/plain"]);
    assert.equal(await textOf(answer.body), "short /tea?cups=2");
  });

  test("may go on while its response comes", async () => {
    await using at = calling((stream) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    });
    const { body } = await at.ask("/", { body: parts("a", "b", "c".repeat(300_000)) });
    assert.equal(await textOf(body), `ab${"c".repeat(300_000)}`);
  });

  test("is taken back when its signal says so, with the signal's reason, before an answer and while one comes", async () => {
    const there = new Map(["/slow", "/fast"].map((path) => [path, Promise.withResolvers<ServerHttp2Stream>()]));
    await using at = calling((stream, path) => {
      there.get(path)!.resolve(stream);
      if (path === "/slow") return;
      stream.respond({ ":status": 200 });
      stream.write("x");
    });
    for (const [path, asked] of there) {
      const stop = new AbortController();
      const read = Promise.withResolvers<void>();
      const failed = assert.rejects(async () => {
        const { body } = await at.ask(path, { signal: stop.signal });
        for await (const part of body) {
          assert.equal(String(part), "x");
          read.resolve();
        }
      }, /enough/);
      const stream = await asked.promise;
      const closed = once(stream, "close");
      if (path === "/fast") await read.promise;
      stop.abort(new Error("enough"));
      await failed;
      await closed;
      assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL);
    }
    await assert.rejects(at.ask("/", { signal: AbortSignal.abort(new Error("never")) }), /never/);
  });

  test("fails when the other side resets it, or the connection ends", async () => {
    await using at = calling((stream, path) => {
      if (path === "/reset") return stream.close(2);
      stream.respond({ ":status": 200 });
      stream.write("x");
    });
    await assert.rejects(at.ask("/reset"), /HTTP\/2 error|INTERNAL_ERROR/);
    const { body } = await at.ask("/cut");
    const reading = body[Symbol.asyncIterator]();
    assert.equal(String((await reading.next()).value), "x");
    at.cut();
    await assert.rejects(reading.next());
    await assert.rejects(at.ask("/"));
  });

  test("leaves what it does not read with the other side", async () => {
    let sent = 0;
    await using at = calling((stream) => {
      stream.respond({ ":status": 200 });
      const part = Buffer.alloc(16_384);
      const send = (): void => {
        while (!stream.destroyed && sent < 1000 && stream.write(part)) sent++;
      };
      stream.on("drain", send);
      send();
    });
    const { body } = await at.ask("/");
    for (let before = -1; before !== sent; await settled()) before = sent;
    assert.ok(sent > 1 && sent < 100, `${sent} parts of 16 KiB`);
    for await (const part of body) {
      assert.ok(part.length > 0);
      break;
    }
  });
});
