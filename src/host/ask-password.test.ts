import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { readHidden } from "./ask-password.ts";

function terminal() {
  const modes: boolean[] = [];
  return { input: Object.assign(new PassThrough(), { setRawMode: (on: boolean) => modes.push(on) }), modes };
}
const never = new AbortController().signal;
const quiet = (): void => {};

for (const [what, typed, password] of [
  ["a line", "correct horse\r", "correct horse"],
  ["a line, and what follows it", "a\nb\n", "a"],
  ["just Enter", "\r", ""],
  ["a key that erases", "ab\u007f\bc\r", "c"],
  ["a key that erases letters of several bytes", "aß😀\u007f\u007fb\r", "ab"],
  ["a key that erases all", "abc\u0015d\r", "d"],
  ["Ctrl-D on an empty line", "\u0004", undefined],
  ["Ctrl-D after letters", "a\u0004b\r", "ab"],
  ["keys that are no letters", "a\u0001\tb\r", "ab"],
  ["more than a password has", `${"x".repeat(5000)}\r`, "x".repeat(1024)],
] as const) {
  test(`${what} is read, byte by byte or at once, and the terminal is as before`, async () => {
    for (const pieces of [[Buffer.from(typed)], Array.from(Buffer.from(typed), (byte) => Buffer.of(byte))]) {
      const { input, modes } = terminal();
      const answer = readHidden(input, never, quiet);
      for (const piece of pieces) input.write(piece);
      assert.equal(await answer, password);
      assert.deepEqual(modes, [true, false]);
      assert.equal(input.listenerCount("data"), 0);
      assert.ok(input.isPaused());
    }
  });
}

test("the question comes once nothing that is typed shows", async () => {
  const { input, modes } = terminal();
  const answer = readHidden(input, never, () => {
    assert.deepEqual(modes, [true]);
    input.write("typed at once\r");
  });
  assert.equal(await answer, "typed at once");
});

test("one question after the other is answered", async () => {
  const { input } = terminal();
  for (const typed of ["one", "two"]) {
    const answer = readHidden(input, never, quiet);
    input.write(`${typed}\r`);
    assert.equal(await answer, typed);
  }
});

test("the end of the input is no password", async () => {
  const { input, modes } = terminal();
  const answer = readHidden(input, never, quiet);
  input.end("abc");
  assert.equal(await answer, undefined);
  assert.deepEqual(modes, [true, false]);
});

test("Ctrl-C and a signal end it, and the terminal is as before", async () => {
  const interrupted = terminal();
  const answer = readHidden(interrupted.input, never, quiet);
  interrupted.input.write("abc\u0003");
  await assert.rejects(answer, { code: "INTERRUPTED" });
  assert.deepEqual(interrupted.modes, [true, false]);
  const aborted = terminal();
  const stop = new AbortController();
  const waiting = readHidden(aborted.input, stop.signal, quiet);
  stop.abort(new Error("stopped"));
  await assert.rejects(waiting, { message: "stopped" });
  assert.deepEqual(aborted.modes, [true, false]);
  await assert.rejects(readHidden(aborted.input, stop.signal, quiet), { message: "stopped" });
  assert.equal(aborted.modes.length, 2);
});
