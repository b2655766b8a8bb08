import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { httpClient, type HttpRequest, type HttpResponse } from "./http-client.ts";

async function serve(answer: RequestListener): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer(answer);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
const textOf = async ({ body }: HttpResponse): Promise<string> => Buffer.concat(await Array.fromAsync(body)).toString();
const bodyOf = (...parts: readonly string[]): NonNullable<HttpRequest["body"]> => ({
  size: parts.join("").length,
  chunks: async function* () {
    for (const part of parts) yield Buffer.from(part);
  },
});

test("a request is sent as it is, its answer comes back, and nothing is followed", async () => {
  await using server = await serve((request, response) => {
    response.writeHead(307, { location: "/elsewhere", "x-method": request.method });
    request.pipe(response);
  });
  using client = httpClient();
  const answer = await client.http({ method: "PUT", url: server.url, headers: { "x-a": "b" }, body: bodyOf("one ", "two") });
  assert.deepEqual(
    [answer.status, answer.header("location"), answer.header("x-method"), answer.header("x-none")],
    [307, "/elsewhere", "PUT", undefined],
  );
  assert.equal(await textOf(answer), "one two");
});

test("a connection is used again after an answer that nobody read", async () => {
  const ports = new Set<number | undefined>();
  await using server = await serve((request, response) => {
    ports.add(request.socket.remotePort);
    response.writeHead(200, { "content-length": 5 }).end("short");
  });
  using client = httpClient();
  for (let round = 0; round < 3; round++) {
    for (const method of ["HEAD", "GET"] as const) {
      const read = Promise.withResolvers<void>();
      (await client.http({ method, url: server.url })).discard();
      setImmediate(() => setImmediate(read.resolve));
      await read.promise;
    }
    assert.equal(await textOf(await client.http({ method: "GET", url: server.url })), "short");
  }
  assert.equal(ports.size, 1);
});

test("what is sent is what was announced, or nothing is taken for it", async () => {
  await using server = await serve((request, response) => {
    request.resume().once("end", () => response.end());
  });
  using client = httpClient();
  for (const size of [2, 4]) {
    const body = { ...bodyOf("abc"), size };
    await assert.rejects(client.http({ method: "PUT", url: server.url, body }), /announced/);
  }
});

test("an answer that comes before everything was sent ends the sending", async () => {
  await using server = await serve((_request, response) => response.writeHead(401).end());
  using client = httpClient();
  let sent = 0;
  const chunks = async function* () {
    for (; sent < 1000; sent++) yield Buffer.alloc(64 * 1024);
  };
  const size = 1000 * 64 * 1024;
  const answer = await client.http({ method: "PUT", url: server.url, body: { size, chunks } }).catch((error: unknown) => error);
  // Which of the two comes first is the kernel's choice: the answer, or that nobody reads on.
  if (!(answer instanceof Error)) assert.equal((answer as HttpResponse).status, 401);
  assert.ok(sent < 1000, `${sent}`);
});

test("silence, and a byte now and then, are waited for so long and no longer; a reader that takes its time is not", async () => {
  const timers = new Set<NodeJS.Timeout>();
  await using server = await serve((request, response) => {
    if (request.url === "/silent") return;
    if (request.url === "/whole") return void response.end(Buffer.alloc(300_000));
    response.writeHead(200);
    const timer = setInterval(() => response.write("x"), 20);
    timers.add(timer);
    response.once("close", () => clearInterval(timer));
  });
  using client = httpClient({ stallMs: 2000 });
  await assert.rejects(client.http({ method: "GET", url: `${server.url}/silent` }), { code: "ESTALLED" });
  await assert.rejects(textOf(await client.http({ method: "GET", url: `${server.url}/drip` })), { code: "ESTALLED" });
  let size = 0;
  const { promise: late, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 2500);
  for await (const piece of (await client.http({ method: "GET", url: `${server.url}/whole` })).body) {
    if (size === 0) await late;
    size += piece.length;
  }
  assert.equal(size, 300_000);
  for (const timer of timers) clearInterval(timer);
});

const GIB = 1024 ** 3;
const PIECE = Buffer.alloc(64 * 1024);

test("no more is taken from a source than the connection takes: memory does not grow with what is sent", async () => {
  await using server = await serve((request) => void request.pause());
  using client = httpClient({ stallMs: 300 });
  let taken = 0;
  const chunks = async function* () {
    for (; taken < GIB; taken += PIECE.length) yield PIECE;
  };
  await assert.rejects(client.http({ method: "PUT", url: server.url, body: { size: GIB, chunks } }), { code: "ESTALLED" });
  assert.ok(taken < 32 * 1024 ** 2, `${taken}`);
});

test("no more is read from a connection than somebody asked for", async () => {
  let sent = 0;
  const full = Promise.withResolvers<void>();
  await using server = await serve((_request, response) => {
    const timer = setTimeout(full.resolve, 300); // nobody takes anything any more
    const more = (): void => {
      timer.refresh();
      while (sent < GIB && response.write(PIECE)) sent += PIECE.length;
    };
    response.on("drain", more).once("close", () => clearTimeout(timer));
    more();
  });
  using client = httpClient();
  const { body } = await client.http({ method: "GET", url: server.url });
  for await (const _ of body) {
    await full.promise;
    break;
  }
  assert.ok(sent < 32 * 1024 ** 2, `${sent}`);
});

test("it ends when whoever asked does not want it any more, with their reason", async () => {
  await using server = await serve((request, response) => {
    if (request.url === "/head") return;
    response.write("x");
  });
  using client = httpClient();
  for (const path of ["/head", "/body"]) {
    const stop = new AbortController();
    const asked = client.http({ method: "GET", url: server.url + path, signal: stop.signal }).then(textOf);
    setImmediate(() => stop.abort(new Error("enough")));
    await assert.rejects(asked, /enough/);
  }
});

test("a proxy is asked where one is named, and not for those that need none; the machine's own settings are nothing to it", async () => {
  const asked: (string | undefined)[] = [];
  await using proxy = await serve((request, response) => {
    asked.push(request.url);
    response.end("by proxy");
  });
  await using server = await serve((_request, response) => response.end("directly"));
  const before = process.env["HTTP_PROXY"];
  process.env["HTTP_PROXY"] = "http://127.0.0.1:1";
  try {
    for (const [proxies, url, answer] of [
      [{ http: proxy.url }, "http://registry.invalid/v2/", "by proxy"],
      [{ http: proxy.url, none: "127.0.0.1" }, server.url, "directly"],
      [{}, server.url, "directly"],
    ] as const) {
      using client = httpClient({ proxies });
      assert.equal(await textOf(await client.http({ method: "GET", url })), answer);
    }
    assert.deepEqual(asked, ["http://registry.invalid/v2/"]);
    using client = httpClient({ proxies: { https: proxy.url } });
    // The proxy of this test opens no tunnel: that it is asked for one is enough.
    await assert.rejects(
      client.http({ method: "GET", url: "https://registry.invalid/v2/" }),
      (error: Error & { code?: string }) => error.code !== "ENOTFOUND",
    );
  } finally {
    if (before === undefined) delete process.env["HTTP_PROXY"];
    else process.env["HTTP_PROXY"] = before;
  }
});
