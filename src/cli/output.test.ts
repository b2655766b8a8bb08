import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../core/error.ts";
import { exitCodeOf, humanOutput, Interrupted, jsonOutput, UsageError } from "./output.ts";

function sinks() {
  const written = { out: "", err: "" };
  return {
    written,
    columns: () => 0,
    out: (text: string) => void (written.out += text),
    err: (text: string) => void (written.err += text),
  };
}
const running = new AbortController().signal;
const failing = (error: unknown) => async (): Promise<void> => {
  throw error;
};

const endings: readonly (readonly [name: string, error: unknown, exitCode: number, err: RegExp])[] = [
  ["a failure", new AppError("X", "no", { hint: "try" }), 1, /^error: no\nhint: try\n$/],
  ["a failure without a hint", new AppError("X", "no"), 1, /^error: no\n$/],
  [
    "a failure after which cleaning up failed too",
    new SuppressedError(new Error("later"), new AppError("X", "no")),
    1,
    /^error: no\n$/,
  ],
  ["Ctrl-C at a question", new AppError("INTERRUPTED", "no password was given"), 130, /^error: no password was given\n$/],
  [
    "a path that the system refuses",
    Object.assign(new Error("EISDIR: illegal operation on a directory, rename"), { code: "EISDIR", path: "/a.new", dest: "/a" }),
    1,
    /^error: \/a cannot be used: it is a folder \(EISDIR\)\nhint: /,
  ],
  ["a refusal that names no path", Object.assign(new Error("EISDIR"), { code: "EISDIR" }), 70, /^bug: Error: EISDIR/],
  ["wrong usage", new UsageError("USAGE", "no"), 2, /^error: no\n$/],
  ["a bug", new TypeError("oops"), 70, /^bug: TypeError: oops\n.* at /s],
  ["something thrown that is no error", "text", 70, /^bug: Error: text\n/],
];
for (const [name, error, exitCode, err] of endings) {
  test(`${name} ends with ${exitCode}, on stderr`, async () => {
    const to = sinks();
    assert.equal(await exitCodeOf(failing(error), false, to, running), exitCode);
    assert.match(to.written.err, err);
    assert.equal(to.written.out, "");
  });
}

test("a failure with --json is a document on stdout", async () => {
  const to = sinks();
  assert.equal(await exitCodeOf(failing(new AppError("X", "no", { hint: "try" })), true, to, running), 1);
  assert.equal(await exitCodeOf(failing(new TypeError("oops")), true, to, running), 70);
  assert.deepEqual(
    to.written.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
    [
      { type: "error", code: "X", message: "no", hint: "try" },
      { type: "error", code: "INTERNAL", message: "oops" },
    ],
  );
  assert.equal(to.written.err, "");
});

test("once interrupted, whatever fails is reported as the interruption, by the signal's number", async () => {
  const stop = new AbortController();
  stop.abort(new Interrupted(2));
  const to = sinks();
  assert.equal(await exitCodeOf(failing(new TypeError("socket closed")), false, to, stop.signal), 130);
  assert.match(to.written.err, /^error: interrupted/);
});

test("results go to stdout, as text or as one document", () => {
  const to = sinks();
  humanOutput(to).result({ a: 1 }, "one");
  jsonOutput(to).result({ a: 1 }, "one");
  jsonOutput(to).event({ type: "booted" }, "it runs");
  assert.equal(to.written.out, 'one\n{"type":"result","value":{"a":1}}\n{"type":"booted"}\n');
  humanOutput(to).event({ type: "booted" }, "it runs");
  assert.equal(to.written.err, "it runs\n");
});
