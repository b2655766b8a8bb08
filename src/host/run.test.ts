import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandError, run, scriptedRun } from "./run.ts";

test("run() returns output and never goes through a shell", async () => {
  assert.equal((await run(["echo", "$HOME; a'b"])).stdout, "$HOME; a'b\n");
  assert.equal((await run(["cat"], { stdin: "x" })).stdout, "x");
});
test("run() passes on nothing of its own environment", async () => {
  process.env["PETRIFY_SECRET"] = "x";
  assert.doesNotMatch((await run(["env"])).stdout, /PETRIFY_SECRET/);
});
test("run() explains failure, missing programs and timeouts", async () => {
  await assert.rejects(
    run(["sh", "-c", "echo boom >&2; exit 3"]),
    (e) => e instanceof CommandError && e.result?.exitCode === 3 && /status 3\nboom/.test(e.message),
  );
  await assert.rejects(run(["no-such-program"]), { code: "COMMAND_FAILED" });
  await assert.rejects(run(["sleep", "50"], { timeoutMs: 30 }), { code: "COMMAND_FAILED", message: /did not end within 30 ms/ });
  assert.equal((await run(["false"], { okExit: [0, 1] })).exitCode, 1);
});
test("run() gives every line as it comes", async () => {
  const lines: string[] = [];
  await run(["printf", "a\\nb\\nc"], { onLine: (line) => lines.push(line) });
  assert.deepEqual(lines, ["a", "b", "c"]);
});
test("run() keeps no more output than it is told", async () => {
  const { stdout } = await run(["seq", "200000"], { keepOutput: 14 });
  assert.equal(stdout, "199999\n200000\n");
  assert.equal((await run(["echo", "x"], { keepOutput: 14 })).stdout, "x\n");
});
test("an abort ends the program and everything it started, and rejects with the reason", { timeout: 20_000 }, async () => {
  const stop = new AbortController();
  const reason = new Error("stop");
  // The shell dies of SIGTERM at once; the program that it started ignores it and holds the pipes open.
  const running = run(["sh", "-c", "(trap '' TERM; echo up; sleep 1000; sleep 1000) & wait"], {
    signal: stop.signal,
    onLine: () => stop.abort(reason),
  });
  await assert.rejects(running, (error) => error === reason);
});
test("nothing is started after an abort", async () => {
  await assert.rejects(run(["true"], { signal: AbortSignal.abort(new Error("before")) }), /before/);
});
test("scriptedRun() fails loudly on what was not scripted", async () => {
  const double = scriptedRun({ "a b": { stdout: "x" }, c: { exitCode: 2 } });
  assert.equal((await double.run(["a", "b"])).stdout, "x");
  await assert.rejects(double.run(["c"]), { code: "COMMAND_FAILED" });
  await assert.rejects(double.run(["d"]), /unscripted command: d/);
  assert.deepEqual(double.calls, ["a b", "c", "d"]);
});
