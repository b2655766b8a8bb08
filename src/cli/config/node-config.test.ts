import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ConfigResult } from "../../agent/config/apply-config.ts";
import { humanOutput, jsonOutput } from "../output.ts";
import { runOnNode } from "../node-testing.ts";
import { resultText, tellResult } from "./change-config.ts";

const PLAN: ConfigResult["plan"] = {
  changes: [{ kind: "hostname", how: "changed", name: "web-2" }],
  actions: [{ id: "hostname", says: "the host name is web-2", after: [] }],
  reboot: [],
};
const NOTHING: ConfigResult["plan"] = { changes: [], actions: [], reboot: [] };
const result = (given: Partial<ConfigResult>): ConfigResult => ({
  ...{ changed: true, mode: "auto", generation: 3, plan: PLAN, problems: [] },
  ...given,
});
const CHANGES = "changes\n  ~ host name web-2\nthen, in this order\n  1. the host name is web-2";

for (const [what, given, text] of [
  ["applied", {}, `${CHANGES}\n\nMachine config 3 is in place.`],
  ["staged", { mode: "staged" }, `${CHANGES}\n\nMachine config 3 is laid at the next boot: \`petrify reboot\`.`],
  [
    "tried",
    { mode: "try", trial: { id: "0", until: 1 } },
    `${CHANGES}\n\nMachine config 3 is on trial: in a minute the one before is back, unless you run \`petrify config confirm\`.`,
  ],
  ["there already", { changed: false, plan: NOTHING }, "Nothing has changed: machine config 3 is what this machine has."],
  ["kept, and nothing else", { plan: NOTHING }, "Machine config 3 is in place."],
  ["planned", { mode: "dry-run" }, CHANGES],
  ["planned, and there", { mode: "dry-run", changed: false, plan: NOTHING }, "nothing would change"],
  [
    "planned, on a machine that is not as it says any more",
    {
      mode: "dry-run",
      changed: false,
      plan: NOTHING,
      drift: { at: 1, generation: 3, mode: "mend", found: ["/etc/a has other content", "user ada"], left: ["user ada"] },
    },
    "nothing would change\nnot as the config says any more; a reboot, or `drift: mend`, lays it anew\n  user ada",
  ],
  ["planned, and only to be kept", { mode: "dry-run", plan: NOTHING }, "nothing would change but what is kept"],
] as const) {
  test(`a config that is ${what} says so`, () => assert.equal(resultText(result(given)), text));
}

test("what could not be done is told beside the result, and is part of it for programs", () => {
  const told = { out: "", err: "" };
  const sinks = { out: (text: string) => (told.out += text), err: (text: string) => (told.err += text), columns: () => 0 };
  const one = result({ plan: NOTHING, problems: ["timezone: is left out"] });
  tellResult({ output: humanOutput(sinks) }, one);
  assert.deepEqual(told, { out: "Machine config 3 is in place.\n", err: "note: timezone: is left out\n" });
  told.out = "";
  tellResult({ output: jsonOutput(sinks) }, one);
  const lines = told.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  assert.deepEqual(lines, [
    { type: "note", problem: "timezone: is left out" },
    { type: "result", value: one },
  ]);
});

test("wrong words are refused before anybody is asked, with the exit code of wrong usage", async () => {
  const config = async (...words: string[]) => await runOnNode("/", ["config", ...words]);
  assert.match(
    (await config("apply", "--mode", "now", "x.yaml")).err,
    /argument 'now' is invalid.*auto, staged, try, no-reboot, dry-run/,
  );
  assert.match((await config("apply", "--origin", "a", "x.yaml", "y.yaml")).err, /--origin names 1 of 2 documents/);
  for (const words of [
    ["apply", "--mode", "now"],
    ["apply", "--origin", "a", "x", "y"],
    ["plan", "--origin", "a\nb", "x"],
    ["rollback", "x"],
    ["diff", "0"],
    ["nothing"],
    ["confirm", "3"],
  ])
    assert.equal((await config(...words)).exitCode, 2, words.join(" "));
});

test("a file that is not there or is no text is told, and a machine without an agent", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-config-"));
  const at = (name: string): string => join(folder.path, name);
  await writeFile(at("bad.yaml"), new Uint8Array([0x23, 0xff]));
  await writeFile(at("a.yaml"), "#cloud-config\nhostname: a\n");
  const plan = async (name: string) => await runOnNode("/", ["config", "plan", at(name)]);
  assert.match((await plan("none.yaml")).err, /none\.yaml cannot be read: there is no such file/);
  assert.match((await plan(".")).err, /cannot be read: it is a folder/);
  assert.match((await plan("bad.yaml")).err, /bad\.yaml: is not UTF-8/);
  const named = await runOnNode("/", ["config", "apply", "--origin", "fleet/7.yaml", at("bad.yaml")]);
  assert.match(named.err, /^error: fleet\/7\.yaml: is not UTF-8/);
  const { exitCode, err } = await plan("a.yaml");
  assert.deepEqual([exitCode, err.startsWith("error: the agent does not answer")], [1, true]);
});
