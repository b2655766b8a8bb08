import assert from "node:assert/strict";
import { test } from "node:test";
import { isMetered } from "./metered.ts";
import { scriptedRun } from "./run.ts";

const ASKED =
  "busctl --json=short --auto-start=no --timeout=5 get-property org.freedesktop.NetworkManager /org/freedesktop/NetworkManager org.freedesktop.NetworkManager Metered";
const { signal } = new AbortController();

for (const [answer, is] of [
  ['{"type":"u","data":1}', true],
  ['{"type":"u","data":3}', true],
  ['{"type":"u","data":0}', false],
  ['{"type":"u","data":2}', false],
  ['{"type":"u","data":4}', false],
  ["nonsense", false],
  ["null", false],
] as const)
  test(`${answer}: the line is ${is ? "" : "not "}metered`, async () => {
    assert.equal(await isMetered(scriptedRun({ [ASKED]: { stdout: answer } }).run, signal), is);
  });

test("without NetworkManager no line is metered", async () => {
  assert.equal(await isMetered(scriptedRun({ [ASKED]: { exitCode: 1 } }).run, signal), false);
});
