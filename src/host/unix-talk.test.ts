import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { AppError } from "../core/error.ts";
import { serveTalks, talk, type TalkHandler } from "./unix-talk.ts";

const never = new AbortController().signal;
const TOKEN = "t";

async function served(handler: TalkHandler) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-talk-"));
  const path = join(folder.path, "socket");
  const server = await serveTalks({ at: path, token: TOKEN, idle: { ms: 1e9, end: () => {} } }, handler);
  const ask = (said: AsyncIterable<object>, { signal = never, token = TOKEN } = {}) =>
    talk(path, said, { token, caller: "alice", signal });
  return {
    ...{ ask, path },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}
async function* saying(...values: readonly object[]): AsyncGenerator<object> {
  yield* await Promise.resolve(values);
}

suite("a talk on a Unix socket", () => {
  test("goes on both ways: what is said is answered before all of it was said", async () => {
    await using at = await served(async function* (heard, _signal, caller) {
      yield { caller };
      for await (const value of heard) yield { heard: value };
    });
    let more = (): void => {};
    const said = async function* () {
      yield { n: 1 };
      await new Promise<void>((resolve) => (more = resolve));
      yield { n: 2 };
    };
    const found: unknown[] = [];
    for await (const value of at.ask(said())) {
      found.push(value);
      if (found.length === 2) more();
    }
    assert.deepEqual(found, [{ caller: "alice" }, { heard: { n: 1 } }, { heard: { n: 2 } }]);
  });

  test("ends with what went wrong, and with what is no document, or too long for one", async () => {
    await using at = await served(async function* (heard) {
      for await (const value of heard) yield value as object;
      throw new AppError("NO_MORE", "there is no more", { hint: "Stop." });
    });
    await assert.rejects(Array.fromAsync(at.ask(saying({}))), { code: "NO_MORE", message: "there is no more", hint: "Stop." });
    await assert.rejects(Array.fromAsync(at.ask(saying({ x: "x".repeat(300_000) }))), { code: "REQUEST_INVALID" });
  });

  test("is not begun with whoever has no token, and not where nobody answers", async () => {
    await using at = await served(() => assert.fail("nobody is heard"));
    await assert.rejects(Array.fromAsync(at.ask(saying({}), { token: "x" })), { code: "AGENT_UNREACHABLE" });
    const nowhere = talk(`${at.path}-not`, saying(), { token: TOKEN, caller: "alice", signal: never });
    await assert.rejects(Array.fromAsync(nowhere), { code: "ENOENT" });
  });

  for (const how of ["stops listening", "is interrupted"] as const)
    test(`is over for who answers when the caller ${how}`, async () => {
      const gone = Promise.withResolvers<void>();
      await using at = await served(async function* (_heard, signal) {
        signal.addEventListener("abort", () => gone.resolve());
        yield {};
        await gone.promise;
      });
      const stop = new AbortController();
      const answers = at.ask(saying({}), { signal: stop.signal });
      await answers.next();
      if (how === "is interrupted") {
        const next = answers.next();
        stop.abort();
        await assert.rejects(next);
      } else await answers.return(undefined);
      await gone.promise;
    });

  test("keeps nothing for a caller who takes nothing, nor for one who is not heard", async () => {
    let told = 0;
    await using at = await served(async function* () {
      for (;;) {
        yield { text: "x".repeat(10_000) };
        told++;
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    let said = 0;
    const endless = async function* () {
      for (;;) {
        yield { text: "x".repeat(10_000) };
        said++;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const answers = at.ask(endless());
    await answers.next();
    for (let last = -1; told + said > last;) {
      last = told + said;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(told < 200 && said < 200, `${told} ${said}`);
    await answers.return(undefined);
  });
});
