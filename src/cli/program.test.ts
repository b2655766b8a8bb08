import assert from "node:assert/strict";
import { test } from "node:test";
import { runForTest } from "./testing.ts";

const wrong: readonly (readonly [args: string[], error: string])[] = [
  [["claen"], "error: unknown command 'claen'\nhint: Did you mean clean?\n"],
  [["--jsn"], "error: unknown option '--jsn'\nhint: Did you mean --json?\n"],
  [
    ["init", "a", "b"],
    "error: too many arguments for 'init'. Expected 1 argument but got 2: a, b.\nhint: See `petrify --help`, or `--help` after a command.\n",
  ],
];
for (const [args, err] of wrong) {
  test(`petrify ${args.join(" ")} is wrong usage`, async () => {
    assert.deepEqual(await runForTest(args), { exitCode: 2, out: "", err });
  });
}

test("wrong usage with --json is one document on stdout", async () => {
  const { exitCode, out, err } = await runForTest(["--json", "init", "--nothing"]);
  assert.equal(exitCode, 2);
  assert.equal(err, "");
  assert.deepEqual(JSON.parse(out), {
    type: "error",
    code: "USAGE",
    message: "unknown option '--nothing'",
    hint: "See `petrify --help`, or `--help` after a command.",
  });
});

test("petrify alone and --help explain themselves on stdout", async () => {
  for (const args of [[], ["--help"], ["help"], ["init", "--help"]]) {
    const { exitCode, out, err } = await runForTest(args);
    assert.match(out, /^Usage: petrify /);
    assert.match(out, /--json/);
    assert.deepEqual({ exitCode, err }, { exitCode: 0, err: "" });
  }
});

test("petrify --version prints it", async () => {
  assert.deepEqual(await runForTest(["--version"]), { exitCode: 0, out: "1.2.3\n", err: "" });
});
