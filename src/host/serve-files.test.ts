import assert from "node:assert/strict";
import { mkdtempDisposable, rename, truncate, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { get, request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MiB } from "../core/units.ts";
import { serveFiles, type Delivery } from "./serve-files.ts";

const TEXT = "0123456789";

type Ended = Delivery & { readonly sent: number; readonly whole: boolean };

/** More than the buffers of a connection hold. */
const HUGE = 64 * MiB;

/** A server with `/small` in memory and `/large`, a file; `next` waits for the end of a delivery. */
async function server(size = 2 * MiB, stalledMs = 60_000) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-serve-"));
  const large = join(folder.path, "large");
  const bytes = Buffer.alloc(size, TEXT);
  await writeFile(large, bytes);
  const ended: Ended[] = [];
  const waiting: ((one: Ended) => void)[] = [];
  const files = new Map([
    ["/small", { bytes: Buffer.from(TEXT) }],
    ["/large", { path: large }],
  ] as const);
  const running = await serveFiles({
    ...{ address: "127.0.0.1", port: 0, files, stalledMs },
    watch: (delivery) => ({
      progress: () => {},
      ended: (sent, whole) => {
        const one = { ...delivery, sent, whole };
        ended.push(one);
        waiting.shift()?.(one);
      },
    }),
  });
  const next = async (): Promise<Ended> => await new Promise((resolve) => waiting.push(resolve));
  const url = `http://127.0.0.1:${running.port}`;
  return {
    ...{ url, port: running.port, large, bytes, ended, next },
    close: async () => await running[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: async () => {
      await running[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

const head = (response: Response, ...names: string[]): unknown[] => [
  response.status,
  ...names.map((name) => response.headers.get(name)),
];

test("a file and bytes are served whole, with their length", async () => {
  await using at = await server();
  const small = await fetch(`${at.url}/small?x=1`);
  assert.deepEqual(head(small, "content-length", "accept-ranges"), [200, "10", "bytes"]);
  assert.equal(await small.text(), TEXT);
  const large = await fetch(`${at.url}/large`);
  assert.ok(at.bytes.equals(Buffer.from(await large.arrayBuffer())));
});

test("HEAD has the headers of GET and no body", async () => {
  await using at = await server();
  const [whole, only] = [await fetch(`${at.url}/small`), await fetch(`${at.url}/small`, { method: "HEAD" })];
  assert.deepEqual(head(only, "content-length", "etag"), head(whole, "content-length", "etag"));
  assert.equal(await only.text(), "");
});

for (const [range, status, contentRange, text] of [
  ["bytes=2-4", 206, "bytes 2-4/10", "234"],
  ["bytes=7-", 206, "bytes 7-9/10", "789"],
  ["bytes=-2", 206, "bytes 8-9/10", "89"],
  ["bytes=10-", 416, "bytes */10", ""],
  ["bytes=0-1,4-5", 200, null, TEXT],
] as const) {
  test(`the range ${range} is answered with ${status}`, async () => {
    await using at = await server();
    const response = await fetch(`${at.url}/small`, { headers: { range } });
    assert.deepEqual(head(response, "content-range"), [status, contentRange]);
    assert.equal(await response.text(), text);
  });
}

test("a range of a file that has become another one is the whole file", async () => {
  await using at = await server();
  const etag = (await fetch(`${at.url}/small`)).headers.get("etag")!;
  const status = async (condition: string): Promise<number> =>
    (await fetch(`${at.url}/small`, { headers: { range: "bytes=2-4", "if-range": condition } })).status;
  assert.deepEqual([await status(etag), await status('"other"')], [206, 200]);
});

for (const path of [
  "/",
  "/..",
  "/../large",
  "/%2e%2e/large",
  "/small/",
  "//small",
  "/small%00",
  "/%ff",
  "/proc/self/environ",
  "/LARGE",
]) {
  test(`${path} is not among the files`, async () => {
    await using at = await server();
    // fetch would tidy the path up.
    const [response] = (await once(get({ host: "127.0.0.1", port: at.port, path }), "response")) as [IncomingMessage];
    response.resume();
    assert.equal(response.statusCode, 404);
  });
}

test("nothing but GET and HEAD is allowed, and a body is passed over", async () => {
  await using at = await server();
  const sending = httpRequest(`${at.url}/small`, { method: "PUT" }).end("x".repeat(MiB));
  const [response] = (await once(sending, "response")) as [IncomingMessage];
  assert.deepEqual([response.statusCode, response.headers.allow], [405, "GET, HEAD"]);
  response.resume();
});

test("many clients at once all get the file", async () => {
  await using at = await server();
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => Buffer.from(await (await fetch(`${at.url}/large`)).arrayBuffer()).equals(at.bytes)),
  );
  assert.ok(answers.every(Boolean));
});

test("what is served stays the same when the file is replaced", async () => {
  await using at = await server();
  await writeFile(`${at.large}.new`, "another build");
  await rename(`${at.large}.new`, at.large);
  assert.equal((await fetch(`${at.url}/large`)).headers.get("content-length"), String(2 * MiB));
});

test("a file that becomes shorter meanwhile breaks the connection: nobody takes it for whole", async () => {
  await using at = await server();
  await truncate(at.large, MiB);
  const ended = at.next();
  await assert.rejects(fetch(`${at.url}/large`).then(async (response) => await response.arrayBuffer()));
  assert.equal((await ended).whole, false);
});

test("who does not read on is not sent more than connections hold; who goes is told of", async () => {
  await using at = await server(HUGE);
  const socket = connect(at.port, "127.0.0.1");
  socket.pause();
  socket.write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "readable");
  const ended = at.next();
  socket.destroy();
  const { client, path, total, sent, whole } = await ended;
  assert.deepEqual({ client, path, total, whole }, { client: "127.0.0.1", path: "/large", total: HUGE, whole: false });
  assert.ok(sent < HUGE / 2, String(sent));
  assert.ok(at.bytes.equals(Buffer.from(await (await fetch(`${at.url}/large`)).arrayBuffer())), "for others nothing has changed");
});

test("who takes nothing for too long is given up", { timeout: 30_000 }, async () => {
  await using at = await server(HUGE, 50);
  const socket = connect(at.port, "127.0.0.1");
  socket.on("error", () => {}).pause();
  socket.write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal((await at.next()).whole, false);
  socket.destroy();
});

test("the end of the server does not wait for slow clients", async () => {
  await using at = await server(HUGE);
  const socket = connect(at.port, "127.0.0.1");
  socket.on("error", () => {}).pause();
  socket.write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "readable");
  const ended = at.next();
  await at.close();
  assert.equal((await ended).whole, false);
  socket.destroy();
});

test("a port that is taken, and an address that is not there, are said", async () => {
  await using at = await server();
  const listen = async (address: string, port: number) =>
    await serveFiles({ address, port, files: new Map(), watch: () => ({ progress: () => {}, ended: () => {} }) });
  await assert.rejects(listen("127.0.0.1", at.port), { code: "PORT_IN_USE" });
  await assert.rejects(listen("192.0.2.254", 0), { code: "LISTEN_FAILED", message: /no interface has that address/ });
});
