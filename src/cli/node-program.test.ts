import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { build } from "esbuild";
import { runOnNode } from "./node-testing.ts";

test("petrify alone and --help explain the node's commands on stdout", async () => {
  for (const args of [[], ["--help"], ["diff", "--help"]]) {
    const { exitCode, out, err } = await runOnNode("/", args);
    assert.match(out, /^Usage: petrify /);
    assert.match(out, /--json/);
    assert.deepEqual({ exitCode, err }, { exitCode: 0, err: "" });
  }
});

test("a command of the workstation is wrong usage", async () => {
  const { exitCode, err } = await runOnNode("/", ["build"]);
  assert.deepEqual([exitCode, err.split("\n")[0]], [2, "error: unknown command 'build'"]);
});

test("a machine that petrify has not booted says so", async () => {
  const { exitCode, out } = await runOnNode("/nowhere", ["diff", "--json"]);
  assert.equal(exitCode, 1);
  assert.equal((JSON.parse(out) as { code: string }).code, "NOT_A_NODE");
});

test("what only root may do says so, and is no bug", async () => {
  const denied = (): never => {
    throw Object.assign(new Error("EACCES: permission denied, open 'x'"), { code: "EACCES" });
  };
  const { exitCode, err } = await runOnNode("/nowhere", ["reset-path", "--list"], { out: denied });
  assert.deepEqual(
    { exitCode, err },
    { exitCode: 1, err: "error: EACCES: permission denied, open 'x'\nhint: Run it as root.\n" },
  );
});

test("the program is one module that brings nothing of builds and virtual machines", async () => {
  const entry = new URL("node-main.ts", import.meta.url).pathname;
  const { metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
  });
  const inputs = Object.keys(metafile.inputs).map((path) => path.replace(/^.*?(src|node_modules)\//, "$1/"));
  assert.deepEqual(
    inputs.filter((path) => /^src\/(build|vm|config|release|initrd)\/|^node_modules\/(?!commander\/)/.test(path)),
    ["src/config/machine/compile/plan-text.ts"], // how a plan is shown, and nothing of how it is made
  );
  assert.ok(inputs.includes("src/cli/diff.ts"));
  assert.match(await readFile(entry, "utf8"), /runNodeCli/);
});
