import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError } from "../core/error.ts";
import type { LocalRoutes } from "../host/unix-http.ts";
import type { AuditFields } from "../layout/audit-log.ts";
import type { Agent } from "./agent.ts";
import { encodeCaller, parseCaller } from "./api-caller.ts";
import { noAuditLog, type AuditLog } from "./audit-log.ts";
import { AUDITED, audited } from "./audited.ts";
import { CAPTURE, DEBUG, untilLetGo } from "./logged-calls.ts";
import { ENROL, GIVE_BACK, JOIN } from "./enrolment.ts";
import { RENEW, REPLACE_CERTIFICATE, REPLACE_TRUST } from "./ownership.ts";
import type { AgentPorts } from "./ports.ts";
import { agentRoutes } from "./serve.ts";

const { signal } = new AbortController();
const BY = { name: "alice", via: "api", role: "operator", serial: "0A", address: "192.0.2.1" } as const;
/** They change nothing, or nothing but what the machine knows of itself. */
const LOOKS =
  /^(?:GET |POST \/(?:scrub|upgrade\/plan$|upgrade\/check$|reset\/plan$|install\/plan$|config\/diff$|config\/sources$))/;

function logged(routes: LocalRoutes): { routes: LocalRoutes; entries: AuditFields[] } {
  const entries: AuditFields[] = [];
  const log: AuditLog = { ...noAuditLog, append: async (fields) => await Promise.resolve(entries.push(fields)) };
  return { routes: audited(routes, log, BY), entries };
}
/** @returns what it answers */
async function call(routes: LocalRoutes, name: string, body?: object, stop = signal): Promise<unknown[]> {
  const answer = routes[name]!(stop, body);
  return Symbol.asyncIterator in answer ? await Array.fromAsync(answer) : [await answer];
}

suite("calls that change the machine", () => {
  test("are all logged: each call of the agent either looks, or has a row", () => {
    const agent = { operations: {}, installer: {}, config: {}, reset: {}, automatic: {} } as unknown as Agent;
    const routes = agentRoutes(agent, { audit: noAuditLog } as AgentPorts, BY);
    const changing = Object.keys(routes).filter((name) => !LOOKS.test(name));
    assert.deepEqual(
      [...changing, CAPTURE, DEBUG, ENROL, GIVE_BACK, JOIN, REPLACE_CERTIFICATE, REPLACE_TRUST, RENEW].toSorted(),
      Object.keys(AUDITED).toSorted(),
    );
  });

  test("are logged before they begin, and when they have ended, with who and what", async () => {
    const { routes, entries } = logged({
      "POST /rollback": async function* () {
        assert.deepEqual(entries, [{ is: "begin", call: "POST /rollback", by: BY, arguments: { restart: true } }]);
        yield { now: {} };
        yield { restarting: "rollback" };
      },
      "GET /status": async () => await Promise.resolve({ is: "well" }),
    });
    assert.deepEqual(await call(routes, "GET /status"), [{ is: "well" }]);
    assert.deepEqual(await call(routes, "POST /rollback", { restart: true, x: 1 }), [{ now: {} }, { restarting: "rollback" }]);
    assert.deepEqual(entries.slice(1), [{ is: "end", of: 1, outcome: "restarting" }]);
  });

  const ended = (outcome: string) => ({ ended: { outcome, reason: "no room", code: "X" } });
  for (const [what, last, expected] of [
    ["an answer", { x: 1 }, { outcome: "done" }],
    ["an operation that has succeeded", ended("succeeded"), { outcome: "done" }],
    ["one that has failed", ended("failed"), { outcome: "failed", code: "X", reason: "no room" }],
    ["one that was replaced", ended("replaced"), { outcome: "failed", code: "X", reason: "no room" }],
  ] as const) {
    test(`end as they do: ${what}`, async () => {
      const { routes, entries } = logged({ "POST /upgrade": async () => await Promise.resolve(last) });
      await call(routes, "POST /upgrade", { source: { is: "file", path: "/x.img" } });
      assert.deepEqual(entries.at(-1), { is: "end", of: 1, ...expected });
    });
  }

  test("that fail are told as failed, with the code; what was not expected is not told", async () => {
    for (const [error, expected] of [
      [new AppError("NO_ROOM", "there is no room"), { code: "NO_ROOM", reason: "there is no room" }],
      [new Error("secret"), { code: "INTERNAL", reason: "it was not expected" }],
    ] as const) {
      const { routes, entries } = logged({ "POST /wipe": async () => await Promise.reject(error) });
      await assert.rejects(call(routes, "POST /wipe"), error);
      assert.deepEqual(entries.at(-1), { is: "end", of: 1, outcome: "failed", ...expected });
    }
  });

  test("that somebody stops listening to are left, however they end then", async () => {
    const stop = new AbortController();
    const { routes, entries } = logged({
      "POST /upgrade": async function* () {
        yield { now: {} };
        yield { now: {} };
      },
    });
    const answer = routes["POST /upgrade"]!(stop.signal, {}) as AsyncIterable<object>;
    for await (const _ of answer) break;
    assert.deepEqual(entries.at(-1), { is: "end", of: 1, outcome: "left" });
  });

  test("that last until somebody stops listening have ended then", async () => {
    const stop = new AbortController();
    const { routes, entries } = logged({ [CAPTURE]: untilLetGo });
    const values: object[] = [];
    for await (const value of routes[CAPTURE]!(stop.signal, { interface: "eth0", filter: "icmp" }) as AsyncIterable<object>) {
      values.push(value);
      stop.abort();
    }
    assert.deepEqual(entries, [
      { is: "begin", call: CAPTURE, by: BY, arguments: { interface: "eth0", filter: "icmp" } },
      { is: "end", of: 1, outcome: "done" },
    ]);
  });

  test("leave nothing secret in the log, and nothing of a dry run", async () => {
    const { routes, entries } = logged({
      "POST /upgrade": async () => await Promise.resolve({}),
      "POST /config/apply": async () => await Promise.resolve({}),
    });
    await call(routes, "POST /upgrade", { source: { is: "url", url: "https://me:secret@x.example/a.img?token=secret" } });
    await call(routes, "POST /config/apply", { documents: [{ origin: "a.yaml", text: "secret" }], mode: "try" });
    await call(routes, "POST /config/apply", { documents: [{ origin: "a.yaml", text: "secret" }], mode: "dry-run" });
    await call(routes, "POST /config/apply", ["secret"] as object);
    assert.doesNotMatch(JSON.stringify(entries), /secret/);
    const begun = entries.flatMap((entry) => (entry.is === "begin" ? [entry.arguments] : []));
    const digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    assert.deepEqual(begun.slice(0, 2), [
      { source: "https://x.example/a.img" },
      { mode: "try", documents: [{ origin: "a.yaml", sha256: digest }] },
    ]);
  });
});

suite("a caller", () => {
  test("is who the API's program says", () => assert.deepEqual(parseCaller(encodeCaller(BY)), BY));
  for (const text of [
    undefined,
    "",
    "{}",
    "[]",
    JSON.stringify({ ...BY, role: "root" }),
    JSON.stringify({ ...BY, name: "a\nb" }),
    JSON.stringify({ ...BY, address: "x".repeat(65) }),
  ])
    test(`is somebody where that is ${text}`, () => assert.deepEqual(parseCaller(text), { name: "somebody", via: "api" }));
});
