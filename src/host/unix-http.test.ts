import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempDisposable, stat, writeFile } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { AppError } from "../core/error.ts";
import { askLocally, serveWhileAsked, serveLocally, type LocalRoutes } from "./unix-http.ts";

const temporary = async () => await mkdtempDisposable(join(tmpdir(), "petrify-http-"));
const { signal } = new AbortController();

suite("a local server", () => {
  test("answers with one document or with many, and only its owner can connect", async () => {
    await using folder = await temporary();
    const path = join(folder.path, "socket");
    await writeFile(path, "left by one that was killed");
    await using server = await serveLocally(path, {
      "GET /one": async () => await Promise.resolve({ is: "Größe\n" }),
      "POST /many": async function* () {
        for (let number = 0; number < 3; number++) yield await Promise.resolve({ number });
      },
    });
    assert.ok(server);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await Array.fromAsync(askLocally(path, "GET", "/one", signal)), [{ is: "Größe\n" }]);
    assert.deepEqual(await Array.fromAsync(askLocally(path, "POST", "/many", signal)), [
      { number: 0 },
      { number: 1 },
      { number: 2 },
    ]);
  });

  test("that anyone may connect to answers those who have the token, and reads nothing of others", async () => {
    await using folder = await temporary();
    const path = join(folder.path, "socket");
    const asked: unknown[] = [];
    const handler = async (_signal: AbortSignal, body: unknown) => await Promise.resolve({ number: asked.push(body) });
    await using server = await serveLocally(path, { "POST /count": handler }, () => "secret");
    assert.ok(server);
    assert.equal((await stat(path)).mode & 0o777, 0o666);
    for (const token of [undefined, "", "secre7", "secret2"]) {
      const asking = Array.fromAsync(askLocally(path, "POST", "/count", signal, {}, token));
      await assert.rejects(asking, { code: "AGENT_UNREACHABLE", message: /does not know who asks/ });
    }
    assert.deepEqual(asked, []);
    assert.deepEqual(await Array.fromAsync(askLocally(path, "POST", "/count", signal, {}, "secret")), [{ number: 1 }]);
  });

  test("says what went wrong with code and hint, also in the middle of an answer", async () => {
    await using folder = await temporary();
    const path = join(folder.path, "socket");
    await using server = await serveLocally(path, {
      "POST /fails": async function* () {
        yield await Promise.resolve({ number: 1 });
        throw new AppError("TOO_MUCH", "that is too much", { hint: "Ask for less." });
      },
    });
    assert.ok(server);
    const seen: unknown[] = [];
    await assert.rejects(
      async () => {
        for await (const value of askLocally(path, "POST", "/fails", signal)) seen.push(value);
      },
      { code: "TOO_MUCH", message: "that is too much", hint: "Ask for less." },
    );
    assert.deepEqual(seen, [{ number: 1 }]);
    await assert.rejects(async () => await Array.fromAsync(askLocally(path, "GET", "/fails", signal)), { code: "NO_SUCH_CALL" });
  });

  test("that is not there is told as what to do", async () => {
    await using folder = await temporary();
    await assert.rejects(async () => await Array.fromAsync(askLocally(join(folder.path, "none"), "GET", "/", signal)), {
      code: "AGENT_UNREACHABLE",
      message: /does not answer at .*none \(ENOENT\)/,
      hint: /systemctl status petrifyd/,
    });
  });

  test("ends work that nobody waits for any more", async () => {
    await using folder = await temporary();
    const path = join(folder.path, "socket");
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    await using server = await serveLocally(path, {
      "POST /long": async function* (ended) {
        ended.addEventListener("abort", () => resolve());
        yield { started: true };
        await gone;
      },
    });
    assert.ok(server);
    const stop = new AbortController();
    await assert.rejects(async () => {
      for await (const value of askLocally(path, "POST", "/long", stop.signal)) {
        assert.deepEqual(value, { started: true });
        stop.abort();
      }
    });
    await gone;
  });
});

async function serving(routes: LocalRoutes, ms = 60_000) {
  const folder = await temporary();
  const path = join(folder.path, "socket");
  const idle = Promise.withResolvers<void>();
  const server = await serveWhileAsked(path, routes, "secret", { ms, end: idle.resolve });
  return {
    ...{ path, idle: idle.promise },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

suite("a local server that is there while somebody asks", () => {
  test("answers who has the token", async () => {
    await using server = await serving({ "GET /one": async () => await Promise.resolve({ is: 1 }) });
    assert.deepEqual(await Array.fromAsync(askLocally(server.path, "GET", "/one", signal, undefined, "secret")), [{ is: 1 }]);
    const asking = Array.fromAsync(askLocally(server.path, "GET", "/one", signal));
    await assert.rejects(asking, { code: "AGENT_UNREACHABLE", message: /does not know who asks/ });
  });

  test("keeps nothing for a reader that takes nothing, and ends the work when it goes, though the work does not look", async () => {
    let made = 0;
    const ended = Promise.withResolvers<void>();
    const endless = async function* () {
      try {
        for (;;) yield await Promise.resolve({ number: ++made, padding: "x".repeat(16_384) });
      } finally {
        ended.resolve();
      }
    };
    await using server = await serving({ "GET /endless": endless });
    const headers = { authorization: "Bearer secret" };
    const asked = request({ socketPath: server.path, path: "/endless", headers }).end();
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    for (let before = -1; before !== made; await setImmediate()) {
      before = made;
      for (let turn = 0; turn < 100; turn++) await setImmediate();
    }
    assert.ok(made < 200, `${made} values wait`);
    response.destroy();
    await ended.promise;
  });

  test("says when nobody has been connected for a while", async () => {
    await using server = await serving({}, 10);
    await server.idle;
  });
});
