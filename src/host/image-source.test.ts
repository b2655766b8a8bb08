import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { imageFileOf, openUrlSource } from "./image-source.ts";

const CONTENT = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7) % 253);

/** Serves on loopback for the length of a scope. */
async function served(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const requests: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    requests.push(request.headers.range);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const ranges = (request: IncomingMessage, response: ServerResponse): void => {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")![1]);
  const part = CONTENT.subarray(from);
  response.writeHead(206, {
    "content-range": `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}`,
    "content-length": part.length,
  });
  response.end(part);
};
const whole = (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(200, { "content-length": CONTENT.length });
  response.end(CONTENT);
};

for (const [what, answer] of [
  ["with ranges", ranges],
  ["without ranges", whole],
] as const) {
  test(`a server ${what} is read in one request from the first byte on, and from any other place`, async () => {
    await using server = await served(answer);
    await using source = await openUrlSource(`${server.url}/x.img`);
    assert.equal(source.size, CONTENT.length);
    for (let at = 0; at < CONTENT.length; at += 65_536) {
      assert.deepEqual(new Uint8Array(await source.read(at, 65_536)), CONTENT.subarray(at, at + 65_536));
    }
    assert.equal(server.requests.length, 1);
    assert.deepEqual(new Uint8Array(await source.read(1000, 50)), CONTENT.subarray(1000, 1050));
    assert.deepEqual(new Uint8Array(await source.read(299_990, 50)), CONTENT.subarray(299_990));
    assert.equal((await source.read(300_000, 5)).length, 0);
  });
}

test("redirects are followed, and one that leads in circles is not", async () => {
  await using server = await served((request, response) => {
    if (request.url === "/x.img") return ranges(request, response);
    response.writeHead(302, { location: request.url === "/circle" ? "/circle" : "/x.img" });
    response.end();
  });
  await using source = await openUrlSource(`${server.url}/there`);
  assert.equal(source.size, CONTENT.length);
  await assert.rejects(openUrlSource(`${server.url}/circle`), { code: "IMAGE_UNREADABLE", message: /too many redirects/ });
});

test("a line that is cut, a server that is busy, and nobody there are worth another try; a missing file is not", async () => {
  await using server = await served((request, response) => {
    if (request.url === "/busy") response.writeHead(503);
    else if (request.url === "/missing") response.writeHead(404);
    else {
      response.writeHead(200, { "content-length": CONTENT.length });
      response.write(CONTENT.subarray(0, 1000));
      return void setImmediate(() => response.destroy());
    }
    response.end();
  });
  await using cut = await openUrlSource(`${server.url}/cut`);
  await assert.rejects(async () => await cut.read(0, 5000), { code: "SOURCE_UNREACHABLE" });
  await assert.rejects(openUrlSource(`${server.url}/busy`), { code: "SOURCE_UNREACHABLE" });
  await assert.rejects(openUrlSource(`${server.url}/missing`), { code: "IMAGE_UNREADABLE" });
  await assert.rejects(openUrlSource("http://user:secret@127.0.0.1:1/x.img?token=secret"), (error: Error) => {
    assert.match(error.message, /^http:\/\/127\.0\.0\.1:1\/x\.img\?[0-9a-f]{8} cannot be reached: /);
    return true;
  });
});

test("a folder stands for the one image in it", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-source-"));
  await assert.rejects(imageFileOf(folder.path), { code: "IMAGE_UNREADABLE", message: /holds no system image/ });
  await writeFile(join(folder.path, "edge-1.img"), "");
  await writeFile(join(folder.path, "edge-1.manifest.json"), "");
  assert.equal(await imageFileOf(folder.path), join(folder.path, "edge-1.img"));
  await writeFile(join(folder.path, "edge-2.img"), "");
  await assert.rejects(imageFileOf(folder.path), { message: /holds 2 images/ });
  await assert.rejects(imageFileOf(join(folder.path, "nowhere")), { message: /ENOENT/ });
});
