import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { run } from "../host/run.ts";
import { documentedHelp } from "./program.ts";
import { runForTest } from "./testing.ts";

const wrong: readonly (readonly [args: string[], error: string])[] = [
  [["claen"], "error: unknown command 'claen'\nhint: Did you mean clean?\n"],
  [["--jsn"], "error: unknown option '--jsn'\nhint: Did you mean --json?\n"],
  [
    ["init", "a", "b"],
    "error: too many arguments for 'init'. Expected 1 argument but got 2: a, b.\nhint: See `petrify init --help`.\n",
  ],
  [["ca", "token"], "error: a command is missing\nhint: See `petrify ca token --help`.\n"],
  [
    ["-n", "a", "config", "apply", "--mode"],
    "error: option '--mode <mode>' argument missing\nhint: See `petrify config apply --help`.\n",
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
    hint: "See `petrify init --help`.",
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

const MAIN = join(import.meta.dirname, "main.ts");

test("output that nobody can keep is an error, and no fault of petrify", async () => {
  await using full = await open("/dev/full", "w");
  const flags = ["--disable-warning=ExperimentalWarning", MAIN];
  const { status, stderr } = spawnSync(process.execPath, [...flags, "config", "schema"], {
    stdio: ["ignore", full.fd, "pipe"],
    encoding: "utf8",
  });
  assert.equal(status, 1);
  assert.match(stderr, /^error: the output cannot be written: ENOSPC[^\n]*\nhint: [^\n]+\n$/);
});

suite("modules", () => {
  /** Modules of petrify that a command line loads, below src. */
  const loadedBy = async (...args: string[]): Promise<string[]> => {
    const hook = `import { registerHooks } from "node:module";
      const seen = [];
      registerHooks({ load: (url, context, next) => (seen.push(url), next(url, context)) });
      process.on("exit", () => console.log(seen.join("\\n")));`;
    const flags = ["--disable-warning=ExperimentalWarning", `--import=data:text/javascript,${encodeURIComponent(hook)}`];
    const { stdout } = await run([process.execPath, ...flags, MAIN, ...args], { env: { PATH: process.env["PATH"] ?? "" } }).catch(
      (error: unknown) => (error as { result: { stdout: string } }).result,
    );
    return stdout.split("\n").flatMap((url) => /\/src\/(.+)$/.exec(url)?.[1] ?? []);
  };

  test("are loaded for the command that there is, and not for others", async () => {
    const loaded = await loadedBy("-n", "edge-7", "version");
    assert.ok(loaded.includes("cli/nodes/version.ts"));
    assert.deepEqual(
      loaded.filter((path) => /^(?:config|inspect|release|vm)\/|^cli\/(?:build|look|pull)/.test(path)),
      [],
    );
  });

  test("of a command are found by each of its words", async () => {
    for (const [, path = ""] of (await documentedHelp()).matchAll(/^## petrify (\S+)$/gm)) {
      const { exitCode, out } = await runForTest([path, "--help"]);
      assert.equal(exitCode, 0, path);
      assert.match(out, new RegExp(`^Usage: petrify ${path}\\b`), path);
    }
    for (const [short, long] of [
      ["ps", "processes"],
      ["free", "memory"],
      ["df", "mounts"],
      ["uptime", "load"],
      ["du", "usage"],
    ] as const) {
      assert.match((await runForTest([short, "--help"])).out, new RegExp(`^Usage: petrify ${long}\\|${short}`));
    }
  });

  test("of all commands are there for help, and for what somebody may have meant", async () => {
    for (const args of [["--help"], ["-n", "version", "--help"]]) assert.match((await runForTest(args)).out, /^ {2}dashboard /m);
    assert.match((await runForTest(["staus", "version"])).err, /Did you mean .*status/);
  });
});
