import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeInitSystem, type FakeInitSystem } from "../../host/init-system.ts";
import { scriptedProbes } from "../../host/probe.ts";
import { run, scriptedRun } from "../../host/run.ts";
import { DEFAULT_HEALTH_PLAN, type CheckSpec } from "../../layout/health-plan.ts";
import { runChecks, type CheckOutcome } from "./check.ts";
import { checkCommand } from "./command.ts";
import { checksOf, type HealthPorts } from "./registry.ts";

const signal = new AbortController().signal;
const FILES: Readonly<Record<string, string>> = {
  "/etc/fstab": "tmpfs /tmp tmpfs mode=1777 0 0\n",
  "/proc/self/mountinfo": "38 29 0:32 / /tmp rw shared:4 - tmpfs tmpfs rw\n",
};

function ports(change: Partial<HealthPorts> = {}): HealthPorts & { init: FakeInitSystem } {
  return {
    ...{ init: fakeInitSystem(), run: scriptedRun({}).run, ...scriptedProbes({}) },
    ...{ degraded: () => new Set(), baseline: () => [] },
    readText: async (path) => await Promise.resolve(FILES[path] ?? assert.fail(path)),
    ...change,
  } as HealthPorts & { init: FakeInitSystem };
}
const timeoutSeconds = 7;
const outcome = async (spec: Partial<CheckSpec> & { kind: string }, change: Partial<HealthPorts>): Promise<CheckOutcome> => {
  const checks = [{ name: "x", timeoutSeconds, ...spec } as CheckSpec];
  return await checksOf({ ...DEFAULT_HEALTH_PLAN, checks }, ports(change))
    .at(-1)!
    .run(signal);
};
const fails = (reason: string): CheckOutcome => ({ ok: false, reason });
const PASSES: CheckOutcome = { ok: true };

test("every image has its three checks, and passes them when all is well", async () => {
  const report = await runChecks(checksOf(DEFAULT_HEALTH_PLAN, ports()), signal, () => 0);
  assert.deepEqual(
    report.results.map(({ name, ok }) => [name, ok]),
    [
      ["boot", true],
      ["mounts", true],
      ["failed-units", true],
    ],
  );
});

test("the checks of every image look at what they should", async () => {
  const bad = ports({ readText: async (path) => await Promise.resolve(path === "/etc/fstab" ? FILES[path]! : "") });
  bad.init.waitingFor = "slow.service";
  bad.init.failedUnits = ["bad.service", "old.service"];
  const report = await runChecks(checksOf(DEFAULT_HEALTH_PLAN, { ...bad, baseline: () => ["old.service"] }), signal, () => 0);
  assert.deepEqual(
    report.results.map(({ reason }) => reason),
    ["waits for slow.service", "/tmp is not mounted", "bad.service has failed"],
  );
});

test("only failed units can be switched off, and a check that is not understood is left out", () => {
  const checks: CheckSpec[] = [
    { kind: "unknown", name: "new", timeoutSeconds },
    { kind: "unit", name: "ssh", unit: "ssh.service", timeoutSeconds },
  ];
  const made = checksOf({ ...DEFAULT_HEALTH_PLAN, failedUnits: false, checks }, ports());
  assert.deepEqual(
    made.map(({ name, timeoutMs }) => [name, timeoutMs]),
    [
      ["boot", 10_000],
      ["mounts", 10_000],
      ["ssh", 7000],
    ],
  );
});

test("a unit has to be active", async () => {
  const init = fakeInitSystem();
  init.units["a.service"] = { active: true, state: "running" };
  init.units["b.service"] = { active: false, state: "failed (exit-code)" };
  assert.deepEqual(await outcome({ kind: "unit", unit: "a.service" }, { init }), PASSES);
  assert.deepEqual(await outcome({ kind: "unit", unit: "b.service" }, { init }), fails("is failed (exit-code)"));
  assert.deepEqual(await outcome({ kind: "unit", unit: "c.service" }, { init }), fails("is not found"));
});

for (const [answer, status, expected] of [
  [200, undefined, PASSES],
  [299, undefined, PASSES],
  [199, undefined, fails("answers with status 199")],
  [302, undefined, fails("answers with status 302")],
  [503, [200, 503], PASSES],
  [204, [200, 503], fails("answers with status 204")],
  [{ error: "refuses connections" }, undefined, fails("refuses connections")],
] as const) {
  const asked = status ? ` where ${status.join(" and ")} are healthy` : "";
  test(`a URL that answers ${JSON.stringify(answer)}${asked} ${expected.ok ? "passes" : "fails"}`, async () => {
    const probes = scriptedProbes({ "http://x/": answer });
    assert.deepEqual(await outcome({ kind: "http", url: "http://x/", ...(status && { status }) }, probes), expected);
  });
}

test("a port has to take connections", async () => {
  const probes = scriptedProbes({ "::1:22": "connected", "x:1": { error: "cannot be reached" } });
  assert.deepEqual(await outcome({ kind: "tcp", host: "::1", port: 22 }, probes), PASSES);
  assert.deepEqual(await outcome({ kind: "tcp", host: "x", port: 1 }, probes), fails("cannot be reached"));
});

for (const [what, argv, expected] of [
  ["succeeds", ["/bin/sh", "-c", "echo $HOME >&2"], PASSES],
  [
    "fails with a word",
    ["/bin/sh", "-c", "echo first >&2; echo 'no\tdatabase ' >&2; echo out; exit 3"],
    "exited with status 3: no\tdatabase",
  ],
  ["fails without one", ["/bin/sh", "-c", "exit 1"], "exited with status 1"],
  ["is killed", ["/bin/sh", "-c", "kill -9 $$"], "was killed by SIGKILL"],
  ["is not there", ["/no/such program"], "could not be run: ENOENT"],
  ["is no program", ["/etc/passwd", "a b"], "could not be run: EACCES"],
  ["says too much", ["/bin/sh", "-c", "printf %0999d 7 >&2; exit 1"], `exited with status 1: ${"0".repeat(200)}`],
] as const) {
  test(`a command that ${what} ${expected === PASSES ? "passes" : "fails, and says why"}`, async () => {
    const found = await outcome({ kind: "command", argv: [...argv] as [string] }, { run });
    assert.deepEqual(found, typeof expected === "string" ? fails(expected) : expected);
  });
}

test("a command that does not end is ended, with all it has started", { timeout: 20_000 }, async () => {
  const limit = new AbortController();
  const running = checkCommand(
    async (argv, options) => await run(argv, { ...options, onLine: () => limit.abort(new Error("late")) }),
    ["/bin/sh", "-c", "echo up; sleep 1000 & wait"],
    limit.signal,
  );
  await assert.rejects(running, /late/);
});
