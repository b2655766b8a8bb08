import assert from "node:assert/strict";
import { test } from "node:test";
import { GiB } from "../core/units.ts";
import { currentCaller } from "./caller.ts";
import { hostFacts, missingOf, remedies, type HostFacts } from "./requirements.ts";
import { run } from "./run.ts";

const READY: HostFacts = {
  architecture: "x64",
  uid: 1000,
  user: "me",
  programs: ["mmdebstrap", "newuidmap", "apt-get", "sudo", "unshare", "tar"],
  subordinateIds: true,
  freeSubordinateId: 165_536,
  namespaceError: undefined,
  freeDisk: 20 * GiB,
  memory: 8 * GiB,
};
const without = (...names: string[]): string[] => READY.programs.filter((name) => !names.includes(name));

const cases: readonly (readonly [
  name: string,
  facts: Partial<HostFacts>,
  missing: readonly RegExp[],
  commands: readonly string[],
])[] = [
  ["a ready host lacks nothing", {}, [], []],
  [
    "a fresh machine needs two packages for a user",
    { programs: without("mmdebstrap", "newuidmap") },
    [/^mmdebstrap/, /^newuidmap/],
    ["apt-get update", "apt-get install --yes --no-install-recommends mmdebstrap uidmap"],
  ],
  [
    "root needs neither newuidmap nor subordinate ids",
    { uid: 0, user: "root", programs: without("mmdebstrap", "newuidmap"), subordinateIds: false },
    [/^mmdebstrap/],
    ["apt-get update", "apt-get install --yes --no-install-recommends mmdebstrap"],
  ],
  [
    "a user without subordinate ids gets a range",
    { subordinateIds: false },
    [/^subordinate user and group ids for me$/],
    ["usermod --add-subuids 165536-231071 --add-subgids 165536-231071 me"],
  ],
  ["little space is nothing to install for", { freeDisk: GiB }, [/^6 GiB of disk space .*\(1 GiB are free\)$/], []],
  ["little memory is nothing to install for", { memory: GiB }, [/^2 GiB of memory/], []],
  ["another architecture is refused", { architecture: "arm64" }, [/arm64/], []],
  [
    "forbidden namespaces are told in the kernel's words",
    { namespaceError: "unshare failed: EPERM" },
    [/unshare failed: EPERM/],
    [],
  ],
  [
    "a namespace that fails for want of newuidmap is not blamed itself",
    { programs: without("newuidmap"), namespaceError: "newuidmap: not found" },
    [/^newuidmap/],
    ["apt-get update", "apt-get install --yes --no-install-recommends uidmap"],
  ],
];
for (const [name, facts, expected, commands] of cases) {
  test(name, () => {
    const missing = missingOf({ ...READY, ...facts });
    assert.equal(missing.length, expected.length, JSON.stringify(missing));
    for (const [index, pattern] of expected.entries()) assert.match(missing[index]!.what, pattern);
    for (const item of missing) assert.ok(item.packages ?? item.command ?? item.advice, `${item.what}: no way to get it`);
    assert.deepEqual(
      remedies(missing).map((argv) => argv.join(" ")),
      commands,
    );
  });
}

test("this host can run the tests: nothing is missing", async () => {
  const facts = await hostFacts(run, currentCaller(), "/var/cache/not/there/yet");
  assert.ok(facts.freeDisk > 0 && facts.memory > 0);
  assert.deepEqual(missingOf({ ...facts, freeDisk: READY.freeDisk, memory: READY.memory }), []);
});
