import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { suite, test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import type { LocalRoutes } from "../host/unix-http.ts";
import { decodeReply, MAX_REQUEST } from "../layout/agent-channel.ts";
import { openChannel } from "./channel.ts";

/** Enough turns of the event loop for whatever does not wait for anything. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await setImmediate();
};

function played({ routes = {}, write }: { routes?: LocalRoutes; write?: (text: string) => Promise<void> } = {}) {
  const said: string[] = [];
  const channel = openChannel(
    routes,
    write ??
      (async (text) => {
        await Promise.resolve();
        said.push(text.trimEnd());
      }),
  );
  return {
    said,
    channel,
    ask: async (...lines: string[]) => await channel.receive(Buffer.from(lines.map((l) => `${l}\n`).join(""))),
  };
}

const never = (signal: AbortSignal): Promise<object> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error("stopped")));
  });

suite("the agent's channel", () => {
  test("answers a call with its value, and says that it was all", async () => {
    const { said, ask } = played({ routes: { "GET /status": () => Promise.resolve({ health: "healthy" }) } });
    await ask('{"id":1,"call":"GET /status"}');
    await settled();
    assert.deepEqual(said, ['{"id":1,"value":{"health":"healthy"}}', '{"id":1,"end":true}']);
  });

  test("answers with each value of a call that has many, and hands it the body", async () => {
    const routes: LocalRoutes = {
      "POST /count": async function* (_signal, body) {
        for (let n = 1; n <= (body as { to: number }).to; n++) yield await Promise.resolve({ n });
      },
    };
    const { said, ask } = played({ routes });
    await ask('{"id":1,"call":"POST /count","body":{"to":2}}');
    await settled();
    assert.deepEqual(said, ['{"id":1,"value":{"n":1}}', '{"id":1,"value":{"n":2}}', '{"id":1,"end":true}']);
  });

  test("works on several calls at a time, and ends the one that is cancelled", async () => {
    const { said, ask } = played({ routes: { "GET /slow": never, "GET /fast": () => Promise.resolve({}) } });
    await ask('{"id":1,"call":"GET /slow"}', '{"id":2,"call":"GET /fast"}');
    await settled();
    assert.deepEqual(said, ['{"id":2,"value":{}}', '{"id":2,"end":true}']);
    await ask('{"id":1,"cancel":true}', '{"id":9,"cancel":true}');
    await settled();
    assert.deepEqual(said.slice(2), ['{"id":1,"end":true}']);
  });

  const errors: readonly { what: string; line: string; code: string; id?: number }[] = [
    { what: "a line that is no request", line: "hello", code: "REQUEST_INVALID" },
    { what: "a line that is too long", line: "x".repeat(MAX_REQUEST + 1), code: "REQUEST_INVALID" },
    { what: "a call that there is not", line: '{"id":4,"call":"GET /nothing"}', code: "NO_SUCH_CALL", id: 4 },
    { what: "a call by a name that every object has", line: '{"id":4,"call":"constructor"}', code: "NO_SUCH_CALL", id: 4 },
    { what: "a call that fails", line: '{"id":4,"call":"GET /full"}', code: "FULL", id: 4 },
    { what: "a call that throws at once", line: '{"id":4,"call":"GET /bug"}', code: "INTERNAL", id: 4 },
  ];
  for (const { what, line, code, id } of errors) {
    test(`answers ${what} with ${code}, and the next one as ever`, async () => {
      const routes: LocalRoutes = {
        "GET /full": () => Promise.reject(new AppError("FULL", "full")),
        "GET /bug": () => {
          throw new TypeError("undefined is no function");
        },
        "GET /ok": () => Promise.resolve({ ok: true }),
      };
      const { said, ask } = played({ routes });
      await ask(line);
      await settled();
      const reply = decodeReply(said[0]!) as { id?: number; error: { code: string } };
      assert.deepEqual([reply.error.code, reply.id, said.length], [code, id, 1]);
      await ask('{"id":4,"call":"GET /ok"}');
      await settled();
      assert.equal(said[1], '{"id":4,"value":{"ok":true}}');
    });
  }

  test("refuses an id that is under way without ending that call, and more calls than it has room for", async () => {
    const { said, ask } = played({ routes: { "GET /slow": never } });
    for (let id = 0; id < 16; id++) await ask(`{"id":${id},"call":"GET /slow"}`);
    await ask('{"id":3,"call":"GET /slow"}', '{"id":16,"call":"GET /slow"}');
    await settled();
    assert.deepEqual(
      said.map((line) => (decodeReply(line) as { id?: number; error: { code: string } }).error.code),
      ["REQUEST_INVALID", "TOO_MANY_CALLS"],
    );
    await ask('{"id":3,"cancel":true}');
    await settled();
    assert.equal(said.at(-1), '{"id":3,"end":true}');
  });

  test("holds one answer while nobody takes it, however much there is to say and to ask", async () => {
    let pulled = 0;
    const written: string[] = [];
    const gate = Promise.withResolvers<void>();
    const routes: LocalRoutes = {
      "GET /all": async function* () {
        for (;;) yield await Promise.resolve({ n: pulled++ });
      },
    };
    const { channel, ask } = played({
      routes,
      write: async (text) => {
        written.push(text);
        await gate.promise;
      },
    });
    await ask('{"id":1,"call":"GET /all"}');
    await settled();
    const asked = ask("nonsense", "nonsense", "nonsense");
    await settled();
    assert.deepEqual([pulled, written.length], [1, 1]);
    channel[Symbol.dispose]();
    gate.resolve();
    await asked;
  });

  test("ends what is under way when its scope ends, and says nothing more", async () => {
    let ended = false;
    const { said, channel, ask } = played({
      routes: { "GET /slow": async (signal) => await never(signal).finally(() => (ended = true)) },
    });
    await ask('{"id":1,"call":"GET /slow"}');
    channel[Symbol.dispose]();
    await settled();
    assert.deepEqual([ended, said], [true, []]);
  });

  test("is taken down by nothing that comes in, and answers the next call", async () => {
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record({ id: fc.nat(20), call: fc.constantFrom("GET /ok", "GET /bug", "toString"), body: fc.anything() })
        .map((v) => JSON.stringify(v)),
      fc.record({ id: fc.nat(20), cancel: fc.constant(true) }).map((v) => JSON.stringify(v)),
    );
    const routes: LocalRoutes = {
      "GET /ok": () => Promise.resolve({ ok: true }),
      "GET /bug": () => Promise.reject(new TypeError("x")),
    };
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 40 }), async (lines) => {
        const { said, ask } = played({ routes });
        for (const text of lines) await ask(text);
        await settled();
        await ask('{"id":99,"call":"GET /ok"}');
        await settled();
        assert.equal(said.at(-1), '{"id":99,"end":true}');
        assert.ok(said.every((text) => decodeReply(text) !== undefined));
      }),
      { numRuns: 60 },
    );
  });
});
