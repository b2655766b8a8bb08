import assert from "node:assert/strict";
import { test } from "node:test";
import { openRunner } from "./runner.ts";

const common = { okExit: [0, 3], timeoutMs: 20_000 } as const;

test("programs run side by side, each with its own input, and an exit code that is allowed is a result", async () => {
  await using runner = openRunner();
  const echo = Array.from({ length: 5 }, async (_, i) => await runner.run({ ...common, argv: ["cat"], stdin: `number ${i}` }));
  assert.deepEqual(
    (await Promise.all(echo)).map(({ stdout }) => stdout),
    Array.from({ length: 5 }, (_, i) => `number ${i}`),
  );
  assert.equal((await runner.run({ ...common, argv: [process.execPath, "-e", "process.exit(3)"] })).exitCode, 3);
  await assert.rejects(runner.run({ ...common, argv: [process.execPath, "-e", "process.exit(4)"] }), /exited with status 4/);
});

test("who waits hears of it when the process has ended", async () => {
  const runner = openRunner();
  const lost = assert.rejects(runner.run({ ...common, argv: ["sleep", "60"] }), /has ended/);
  await runner[Symbol.asyncDispose]();
  await lost;
});
