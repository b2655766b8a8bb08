import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { socketFolder } from "./socket-folder.ts";
import { connectStream, serveStreams } from "./unix-stream.ts";

test("text goes both ways, in a folder whose path is longer than a socket's may be", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-stream-"));
  const long = join(dir.path, "a".repeat(100), "b".repeat(100));
  await mkdir(long, { recursive: true });
  await using folder = await socketFolder(long);
  await using _ = await serveStreams(folder.at("s"), (stream) => {
    stream.onText((text) => stream.send(text.toUpperCase()));
  });
  const stream = await connectStream(folder.at("s"));
  const { promise, resolve } = Promise.withResolvers<string>();
  stream!.onText(resolve);
  stream!.send("hello");
  assert.equal(await promise, "HELLO");
  await stream![Symbol.asyncDispose]();
});

test("who listens no more has closed its streams, and nobody connects", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-stream-"));
  const path = join(dir.path, "s");
  await writeFile(path, "left by a server that was killed");
  assert.equal(await connectStream(path), undefined);
  const server = await serveStreams(path, (stream) => stream.send("last words"));
  const stream = await connectStream(path);
  let text = "";
  stream!.onText((more) => (text += more));
  await server[Symbol.asyncDispose]();
  await stream!.closed;
  assert.equal(text, "last words");
  assert.equal(await connectStream(path), undefined);
});
