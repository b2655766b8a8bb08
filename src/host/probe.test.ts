import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { httpProbe, isLoopback, scriptedProbes, tcpProbe } from "./probe.ts";

const never = new AbortController().signal;

async function listening<T extends Server>(server: T): Promise<AsyncDisposable & { port: number; server: T }> {
  const sockets: Socket[] = [];
  server.on("connection", (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { server, port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: close };
}
const web = async (listener: RequestListener): ReturnType<typeof listening> => await listening(createHttpServer(listener));

test("httpProbe() gives the status, whatever it is, and follows no redirect", async () => {
  const asked: string[] = [];
  await using at = await web((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(Number(request.url!.slice(1)), { location: "/200" }).end("body");
  });
  for (const status of [200, 204, 302, 404, 503]) {
    assert.deepEqual(await httpProbe(`http://127.0.0.1:${at.port}/${status}`, { signal: never }), { status });
  }
  assert.deepEqual(asked, ["GET /200", "GET /204", "GET /302", "GET /404", "GET /503"]);
});

test("httpProbe() does not wait for a body that never ends", async () => {
  const gone = Promise.withResolvers<void>();
  await using at = await web((_, response) => {
    response.on("close", gone.resolve);
    response.writeHead(200).write("x".repeat(100_000));
  });
  assert.deepEqual(await httpProbe(`http://127.0.0.1:${at.port}/`, { signal: never }), { status: 200 });
  await gone.promise;
});

test("httpProbe() says why there is no answer", async () => {
  await using silent = await listening(createTcpServer((socket) => socket.end()));
  await using mumbling = await listening(createTcpServer((socket) => socket.end("SSH-2.0-x\r\n")));
  await using switching = await listening(
    createTcpServer((socket) => socket.end("HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")),
  );
  let free: number;
  {
    await using closed = await listening(createTcpServer());
    free = closed.port;
  }
  const error = async (url: string): Promise<string> => {
    const answer = await httpProbe(url, { signal: never });
    return "error" in answer ? answer.error : assert.fail(`${url} answered`);
  };
  assert.equal(await error(`http://127.0.0.1:${free}/`), "refuses connections");
  assert.equal(await error(`http://localhost:${free}/`), "refuses connections");
  assert.equal(await error(`http://127.0.0.1:${silent.port}/`), "closed the connection without an answer");
  assert.match(await error(`http://127.0.0.1:${mumbling.port}/`), /^gave no answer: Parse Error/);
  assert.match(await error(`http://127.0.0.1:${switching.port}/`), /connection/);
  assert.match(await error("http://no-such-name.invalid/"), /^has a name/);
  assert.match(await error("ftp://127.0.0.1/"), /^gave no answer: .*ftp:/);
  assert.equal(await error("http://"), "is no URL");
});

test("a probe ends with the reason of an abort", async () => {
  const stop = new AbortController();
  const reason = new Error("too late");
  await using at = await web(() => stop.abort(reason));
  await assert.rejects(httpProbe(`http://127.0.0.1:${at.port}/`, { signal: stop.signal }), (error) => error === reason);
  await assert.rejects(httpProbe(`http://127.0.0.1:${at.port}/`, { signal: stop.signal }), (error) => error === reason);
  await assert.rejects(tcpProbe("127.0.0.1", at.port, { signal: stop.signal }), (error) => error === reason);
  const later = new AbortController();
  const connecting = tcpProbe("127.0.0.1", at.port, { signal: later.signal });
  later.abort(reason);
  await assert.rejects(connecting, (error) => error === reason);
});

test("httpProbe() takes any certificate of this machine, and only a verified one of others", async () => {
  await using at = await listening(createHttpsServer(selfSigned(), (_, response) => response.writeHead(204).end()));
  for (const host of ["127.0.0.1", "localhost"]) {
    assert.deepEqual(await httpProbe(`https://${host}:${at.port}/`, { signal: never }), { status: 204 });
  }
  // Of this machine too, but its name does not say so.
  const other = await httpProbe(`https://0.0.0.0:${at.port}/`, { signal: never });
  assert.match("error" in other ? other.error : "answered", /^gave no answer: .*self-signed certificate/);
});

for (const [url, loopback] of [
  ["https://127.0.0.1/", true],
  ["https://127.1.2.3:8443/", true],
  ["https://127.1/", true],
  ["https://[::1]/", true],
  ["https://[0:0::0:1]/", true],
  ["https://LOCALHOST/", true],
  ["https://127.0.0.1.example/", false],
  ["https://localhost.example/", false],
  ["https://127.0.0.1@db.example/", false],
  ["https://[::2]/", false],
  ["https://10.0.0.1/", false],
] as const) {
  test(`${url} is ${loopback ? "" : "not "}this machine`, () => assert.equal(isLoopback(new URL(url).hostname), loopback));
}

test("tcpProbe() connects, or says why it cannot", async () => {
  const greeted = Promise.withResolvers<void>();
  await using at = await listening(createTcpServer((socket) => socket.on("close", greeted.resolve).resume()));
  assert.deepEqual(await tcpProbe("127.0.0.1", at.port, { signal: never }), { connected: true });
  await greeted.promise;
  let free: number;
  {
    await using closed = await listening(createTcpServer());
    free = closed.port;
  }
  assert.deepEqual(await tcpProbe("127.0.0.1", free, { signal: never }), { error: "refuses connections" });
  const unknown = await tcpProbe("no-such-name.invalid", 22, { signal: never });
  assert.match("error" in unknown ? unknown.error : "connected", /^has a name/);
});

test("scriptedProbes() fails loudly on what was not scripted", async () => {
  const double = scriptedProbes({ "http://x/": 204, "y:1": "connected", "z:1": { error: "refuses connections" } });
  assert.deepEqual(await double.httpProbe("http://x/", { signal: never }), { status: 204 });
  assert.deepEqual(await double.tcpProbe("y", 1, { signal: never }), { connected: true });
  assert.deepEqual(await double.tcpProbe("z", 1, { signal: never }), { error: "refuses connections" });
  await assert.rejects(double.httpProbe("http://y/", { signal: never }), /unscripted probe/);
});

/** A certificate that nobody has signed but itself. Source: RFC 5280, section 4.1; of version 1, which has no extensions. */
function selfSigned(): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
    const body = Buffer.concat(parts);
    const { length } = body;
    return Buffer.concat([Buffer.from(length < 128 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff]), body]);
  };
  const text = (tag: number, value: string): Buffer => der(tag, Buffer.from(value));
  const ecdsaWithSha256 = der(0x30, Buffer.from("06082a8648ce3d040302", "hex"));
  const name = der(0x30, der(0x31, der(0x30, Buffer.from("0603550403", "hex"), text(0x0c, "x"))));
  const validity = der(0x30, text(0x17, "200101000000Z"), text(0x17, "491231235959Z"));
  const spki = publicKey.export({ type: "spki", format: "der" });
  const body = der(0x30, der(0x02, Buffer.of(1)), ecdsaWithSha256, name, validity, name, spki);
  const signature = der(0x03, Buffer.of(0), sign("sha256", body, privateKey));
  const cert = der(0x30, body, ecdsaWithSha256, signature).toString("base64");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
    cert: `-----BEGIN CERTIFICATE-----\n${cert.replaceAll(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`,
  };
}
