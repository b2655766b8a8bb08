import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "./node-ports.ts";

const document = (origin: string, ...lines: readonly string[]) => ({ origin, text: ["#cloud-config", ...lines, ""].join("\n") });

test("documents come to one config, in which later ones win", () => {
  const { config, problems } = judge([document("a", "hostname: a", "timezone: UTC"), document("b", "hostname: b")], "strict");
  assert.deepEqual([config.hostname, config.timezone, problems], ["b", "UTC", []]);
});

test("what is wrong is refused with its line and its path; at a boot it is left out and told", () => {
  const wrong = [document("a.yaml", "hostname: a", "timezon: UTC")];
  assert.throws(() => judge(wrong, "strict"), { code: "MACHINE_CONFIG_INVALID", message: /^a\.yaml:3:1: timezon: is not a key/ });
  const { config, problems } = judge(wrong, "tolerant");
  assert.equal(config.hostname, "a");
  assert.match(problems.join("\n"), /^a\.yaml:3:1: timezon: is not a key/);
});

test("without a document a machine is as its image has it", () => {
  assert.deepEqual(judge([], "tolerant").problems, []);
});
