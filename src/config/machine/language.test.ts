import assert from "node:assert/strict";
import { test } from "node:test";
import { keysOfConfig, machineLanguage, unknownKeys, type MachineLanguage } from "./language.ts";
import { parseDocument } from "./parse.ts";

const keysOf = (text: string): string[] => {
  const { tree, problems } = parseDocument(`#cloud-config\n${text}\n`, "m");
  assert.deepEqual(problems, []);
  return keysOfConfig(tree);
};
const EVERYTHING = `hostname: a
users: [{ name: ops, gecos: O }, { name: b, shell: /bin/sh }]
environment: { TOKEN: x }
ntp: { servers: [a] }
kernel: { args: [quiet] }
network: { version: 2, ethernets: { eth0: { dhcp4: true } } }
stages: { fs.before: [{ commands: [a] }], boot: [] }`;

test("a config's keys are those of the language, without names of its own", () => {
  assert.deepEqual(keysOf(EVERYTHING), [
    ...["hostname", "users", "users.name", "users.gecos", "users.shell", "environment", "ntp", "ntp.servers", "kernel"],
    ...["kernel.args", "network", "network.version", "network.ethernets", "stages", "stages.fs.before", "stages.boot"],
  ]);
});

test("an image knows every key of its own language, and tells those that it has not", () => {
  const newer: MachineLanguage = { ...machineLanguage(), users: "name", stages: "boot" };
  const { ntp: _, ...older } = newer;
  assert.deepEqual(unknownKeys(keysOf(EVERYTHING), machineLanguage()), []);
  assert.deepEqual(unknownKeys(keysOf(EVERYTHING), older), ["users.gecos", "users.shell", "ntp", "stages.fs.before"]);
});

test("a manifest has room for the language", () => {
  assert.ok(JSON.stringify(machineLanguage(), undefined, 2).length < 4096);
});
