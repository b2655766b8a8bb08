import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { fetchText } from "./fetch-text.ts";

const never = new AbortController().signal;

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

test("a text is fetched, over a redirect and in pieces whose number nobody says", async () => {
  await using server = await serve((request, response) => {
    if (request.url === "/old") return void response.writeHead(302, { location: "/new" }).end();
    response.write("#cloud-");
    response.end("config\n");
  });
  assert.equal(await fetchText(`${server.url}/old`, 100, never), "#cloud-config\n");
  await assert.rejects(fetchText(`${server.url}/new`, 10, never), { code: "FETCH_TOO_LARGE" });
});

test("the user and password of a URL are told to its server", async () => {
  await using server = await serve((request, response) => void response.end(request.headers.authorization));
  const said = await fetchText(server.url.replace("//", "//us%40er:pass@"), 100, never);
  assert.equal(Buffer.from(said.replace("Basic ", ""), "base64").toString(), "us@er:pass");
});

test("what fails says why, without user, password and query, which may be secrets", async () => {
  await using server = await serve((_request, response) => void response.writeHead(503).end());
  const url = `${server.url.replace("//", "//user:s3cret@")}/x?token=s3cret`;
  await assert.rejects(fetchText(`${server.url}/x?token=s3cret`, 10, never), (error: Error & { code?: string }) => {
    assert.equal(error.code, "FETCH_FAILED");
    assert.match(error.message, /\/x\?\w{8} cannot be read: the server answers 503$/);
    return true;
  });
  for (const one of [url, "http://127.0.0.1:1/x?s3cret"]) {
    await assert.rejects(fetchText(one, 10, never), (error: Error & { code?: string }) => {
      assert.equal(error.code, "FETCH_FAILED");
      assert.doesNotMatch(error.message, /s3cret/);
      return true;
    });
  }
});

test("it ends when whoever asked does not want it any more", async () => {
  await using server = await serve(() => {});
  const stop = new AbortController();
  const asked = fetchText(server.url, 10, stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(asked, /enough/);
});
