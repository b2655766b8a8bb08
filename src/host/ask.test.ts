import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { answersYes } from "./ask.ts";

for (const [typed, want] of [
  ["y\n", true],
  ["YES\n", true],
  ["\n", true],
  ["n\n", false],
  ["yesterday\n", false],
  ["", false],
] as const) {
  test(`${JSON.stringify(typed)} means ${want ? "yes" : "no"}`, async () => {
    const input = new PassThrough();
    input.end(typed);
    assert.equal(await answersYes(input, new AbortController().signal), want);
  });
}

for (const [typed, want] of [
  ["\n", false],
  ["  \n", false],
  ["yes\n", true],
] as const) {
  test(`${JSON.stringify(typed)} means ${want ? "yes" : "no"} where Enter means no`, async () => {
    const input = new PassThrough();
    input.end(typed);
    assert.equal(await answersYes(input, new AbortController().signal, "no"), want);
  });
}

test("an abort ends the question", async () => {
  const stop = new AbortController();
  const answer = answersYes(new PassThrough(), stop.signal);
  stop.abort(new Error("stopped"));
  await assert.rejects(answer, (error: Error) => error.name === "AbortError" || error.message === "stopped");
});
