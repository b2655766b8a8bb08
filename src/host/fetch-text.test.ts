import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { fetchBytes, fetchText } from "./fetch-text.ts";

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

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

test("a checksum in the URL is what the bytes must come to, and is not sent", async () => {
  const asked: (string | undefined)[] = [];
  await using server = await serve((request, response) => {
    asked.push(request.url);
    response.end("right");
  });
  assert.equal(await fetchText(`${server.url}/a#sha256=${sha256("right")}`, 100, never), "right");
  assert.deepEqual(asked, ["/a"]);
  for (const hash of [`sha256=${sha256("wrong")}`, "sha256=", "sha1=00", "x"]) {
    await assert.rejects(fetchText(`${server.url}/a#${hash}`, 100, never), { code: "FETCH_MISMATCH" }, hash);
  }
});

test("headers are told to the first server, and to no other one that it leads to", async () => {
  const heard: (string | undefined)[] = [];
  await using other = await serve((request, response) => {
    heard.push(request.headers["x-token"] as string | undefined);
    response.end("there");
  });
  await using server = await serve((request, response) => {
    heard.push(request.headers["x-token"] as string | undefined);
    const location = request.url === "/1" ? "/2" : `${other.url}/3`;
    response.writeHead(307, { location }).end();
  });
  const bytes = await fetchBytes(`${server.url}/1`, { limit: 10, signal: never, headers: { "X-Token": "s3cret" } });
  assert.equal(Buffer.from(bytes).toString(), "there");
  assert.deepEqual(heard, ["s3cret", "s3cret", undefined]);
});

test("what leads on and on, or to no web address, is not followed", async () => {
  let asked = 0;
  await using server = await serve((request, response) => {
    asked++;
    const location = request.url === "/file" ? "file:///etc/shadow" : "/loop";
    response.writeHead(302, { location }).end();
  });
  await assert.rejects(fetchText(`${server.url}/loop`, 10, never), /leads on more than 5 times/);
  assert.equal(asked, 6);
  await assert.rejects(fetchText(`${server.url}/file`, 10, never), /no web address/);
});

test("an answer without end is not kept", async () => {
  await using server = await serve((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(1000)));
    };
    response.on("drain", more);
    more();
  });
  await assert.rejects(fetchText(server.url, 100_000, never), { code: "FETCH_TOO_LARGE" });
});

for (const [what, answer] of [
  ["says nothing", () => {}],
  [
    "sends a byte now and then",
    (response: ServerResponse) => {
      const timer = setInterval(() => response.write("x"), 20);
      response.on("close", () => clearInterval(timer));
    },
  ],
] as const) {
  test(`a server that ${what} is not waited for for ever`, async () => {
    await using server = await serve((_request, response) => answer(response));
    const options = { limit: 100_000, signal: never, limitMs: 200 };
    await assert.rejects(fetchBytes(server.url, options), { code: "FETCH_FAILED", message: /no whole answer within 0\.2 s$/ });
  });
}
