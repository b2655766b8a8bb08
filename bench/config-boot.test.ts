import assert from "node:assert/strict";
import { test } from "node:test";
import { effectiveConfig } from "../src/config/machine/merge.ts";
import { parseDocument } from "../src/config/machine/parse.ts";
import { gunzip } from "../src/host/gunzip.ts";
import { BOOT_CONFIG, cpuOf } from "./config-boot.ts";

const CONSOLE = `
bench login: 
cpu  120 5 300 4000 70 2 13 0 0 0

{"format":1,"generation":1,"notes":[]}
`;

test("what a boot took of the CPU is read from its console, without what it was idle", () => {
  assert.equal(cpuOf(CONSOLE.replaceAll("\n", "\r\n"), true), 4.4);
});

test("a boot that has no config, has one that it should not have, or says nothing is no measurement", () => {
  const clear = (text: string, hasConfig: boolean) => assert.throws(() => cpuOf(text, hasConfig), { code: "CONFIG_UNCLEAR" });
  clear(CONSOLE, false);
  clear(CONSOLE.replace("generation", "wanted"), true);
  clear(CONSOLE.replace("cpu ", "gpu "), true);
});

test("the config of a boot is sound, and as large as is said", () => {
  const parsed = parseDocument(BOOT_CONFIG, "bench.yaml");
  const { config, problems } = effectiveConfig([parsed], gunzip);
  assert.deepEqual([parsed.problems, problems], [[], []]);
  const { users, files, units } = config;
  assert.deepEqual([users.length, files.length, units.length], [10, 20, 5]);
});
