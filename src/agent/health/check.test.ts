import assert from "node:assert/strict";
import { test } from "node:test";
import { runChecks, type Check, type CheckOutcome } from "./check.ts";

const never = new AbortController().signal;
const PASS: CheckOutcome = { ok: true };
const check = (name: string, run: Check["run"], timeoutMs = 10_000): Check => ({ name, timeoutMs, run });
/** A clock that goes on by one at every look. */
const ticking = (): (() => number) => {
  let now = 100;
  return () => now++;
};

test("a report has every check in its order, with the time each took", async () => {
  const report = await runChecks(
    [
      check("a", async () => await Promise.resolve(PASS)),
      check("b", async () => await Promise.resolve({ ok: false, reason: "is down" })),
    ],
    never,
    ticking(),
  );
  assert.deepEqual(
    { ...report, results: report.results.map(({ ms, ...result }) => (ms > 0 ? result : assert.fail("no time"))) },
    {
      at: 104,
      ok: false,
      results: [
        { name: "a", ok: true },
        { name: "b", ok: false, reason: "is down" },
      ],
    },
  );
});

test("all checks passed: the report is ok", async () => {
  assert.equal((await runChecks([check("a", async () => await Promise.resolve(PASS))], never, ticking())).ok, true);
});

test("checks run at once: each waits for the other", async () => {
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const meet = (mine: PromiseWithResolvers<void>, other: PromiseWithResolvers<void>) => async () => {
    mine.resolve();
    await other.promise;
    return PASS;
  };
  assert.equal((await runChecks([check("a", meet(first, second)), check("b", meet(second, first))], never, ticking())).ok, true);
});

for (const [what, run, reason] of [
  ["rejects", async () => await Promise.reject(new Error("no such thing")), "no such thing"],
  ["rejects with what is no error", async () => await Promise.reject("text"), "text"],
  [
    "throws before it has begun",
    () => {
      throw new Error("at once");
    },
    "at once",
  ],
  ["has a reason of several lines", async () => await Promise.resolve({ ok: false, reason: " a\n  b\t c\n" } as const), "a b c"],
  ["has no reason", async () => await Promise.resolve({ ok: false, reason: "" } as const), "failed without a reason"],
  ["has a very long reason", async () => await Promise.reject(new Error("x".repeat(9999))), `${"x".repeat(500)}…`],
] as const satisfies readonly (readonly [string, Check["run"], string])[]) {
  test(`a check that ${what} has failed with that reason, in one line; the others are heard`, async () => {
    const { results, ok } = await runChecks(
      [check("a", run), check("b", async () => await Promise.resolve(PASS))],
      never,
      ticking(),
    );
    assert.equal(ok, false);
    assert.deepEqual([results[0]!.reason, results[1]!.ok], [reason, true]);
  });
}

test("a check that does not end in time has failed, whether it listens or not; its signal says so", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const told = Promise.withResolvers<void>();
  const listens: Check["run"] = async (signal) =>
    await new Promise((_, reject) => signal.addEventListener("abort", () => (told.resolve(), reject(signal.reason as Error))));
  const deaf: Check["run"] = async () => await new Promise(() => {});
  const report = runChecks([check("listens", listens, 1000), check("deaf", deaf, 5000)], never, ticking());
  t.mock.timers.tick(1000);
  await told.promise;
  t.mock.timers.tick(4000);
  assert.deepEqual(
    (await report).results.map(({ reason }) => reason),
    ["did not end within 1 s", "did not end within 5 s"],
  );
});

test("an abort is no report: a machine that stops its services has not failed its checks", async () => {
  const stop = new AbortController();
  const reason = new Error("the agent stops");
  const running = runChecks(
    [
      check(
        "a",
        async (signal) => await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("x")))),
      ),
    ],
    stop.signal,
    ticking(),
  );
  stop.abort(reason);
  await assert.rejects(running, (error) => error === reason);
  await assert.rejects(runChecks([], stop.signal, ticking()), (error) => error === reason);
});
