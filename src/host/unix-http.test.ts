import assert from "node:assert/strict";
import { mkdtempDisposable, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { AppError } from "../core/error.ts";
import { askLocally, serveLocally } from "./unix-http.ts";

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
