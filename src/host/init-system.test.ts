import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { initSystem } from "./init-detect.ts";
import { openrc } from "./init-openrc.ts";
import { fakeInitSystem } from "./init-system.ts";
import { systemd } from "./init-systemd.ts";
import { scriptedRun, type RunResult } from "./run.ts";

type Script = Readonly<Record<string, string | Partial<RunResult>>>;
const scripted = (script: Script): ReturnType<typeof scriptedRun> =>
  scriptedRun(
    Object.fromEntries(
      Object.entries(script).map(([line, answer]) => [line, typeof answer === "string" ? { stdout: answer } : answer]),
    ),
  );

suite("systemd", () => {
  const show = (name: string): string =>
    `systemctl show --property=Id,LoadState,ActiveState,SubState,Result --no-pager -- ${name}`;
  const JOBS = "systemctl --plain --no-legend --full --no-pager list-jobs";
  const FAILED = "systemctl --plain --no-legend --full --no-pager list-units --state=failed";
  const properties = (id: string, load: string, active: string, sub: string, result = "success"): string =>
    `Result=${result}\nId=${id}\nLoadState=${load}\nActiveState=${active}\nSubState=${sub}\n`;

  for (const [what, answer, expected] of [
    ["running", properties("a.service", "loaded", "active", "running"), { active: true, state: "running" }],
    ["reloading", properties("a.service", "loaded", "reloading", "reload"), { active: true, state: "reload" }],
    ["starting", properties("a.service", "loaded", "activating", "start"), { active: false, state: "activating" }],
    ["stopped", properties("a.service", "loaded", "inactive", "dead"), { active: false, state: "inactive" }],
    [
      "failed",
      properties("a.service", "loaded", "failed", "failed", "exit-code"),
      { active: false, state: "failed (exit-code)" },
    ],
    ["missing", properties("a.service", "not-found", "inactive", "dead"), { active: false, state: "not found" }],
    ["masked", properties("a.service", "masked", "inactive", "dead"), { active: false, state: "masked" }],
    ["a mount, which has no result", "Id=a.mount\nLoadState=loaded\nActiveState=active\n", { active: true, state: "active" }],
    ["unknown to a systemd that says nothing", "\n", { active: false, state: "in no state" }],
  ] as const) {
    test(`a unit is ${what}`, async () => {
      assert.deepEqual(await systemd(scripted({ [show("a.service")]: answer }).run).unit("a.service"), expected);
    });
  }

  test("the failed units are named, whatever stands beside them", async () => {
    const answer =
      "petrify-fsck@persistent.service loaded failed failed Check of the persistent partition\n" +
      "bad.service                     loaded failed failed [systemd-run] /usr/bin/false\n";
    const { run } = scripted({ [FAILED]: answer });
    assert.deepEqual(await systemd(run).failed(), ["bad.service", "petrify-fsck@persistent.service"]);
    assert.deepEqual(await systemd(scripted({ [FAILED]: "" }).run).failed(), []);
  });

  for (const [what, active, jobs, expected] of [
    ["is done when the default target is active", "active", undefined, { done: true, waitingFor: "" }],
    [
      "waits for the jobs that run",
      "inactive",
      "171 slow.service start running\n 12 graphical.target start waiting\n",
      { done: false, waitingFor: "slow.service" },
    ],
    [
      "waits for the jobs that wait when none runs",
      "inactive",
      "12 a.target start waiting\n",
      { done: false, waitingFor: "a.target" },
    ],
    [
      "names three jobs at most",
      "inactive",
      Array.from({ length: 5 }, (_, i) => `${i} u${i}.service start running\n`).join(""),
      { done: false, waitingFor: "u0.service, u1.service, u2.service and 2 more" },
    ],
    [
      "will never be done when nothing is left to do",
      "inactive",
      "",
      { done: false, waitingFor: "nothing, but graphical.target is inactive" },
    ],
  ] as const) {
    test(`a boot ${what}`, async () => {
      const { run } = scripted({
        [show("default.target")]: properties("graphical.target", "loaded", active, active),
        ...(jobs === undefined ? {} : { [JOBS]: jobs }),
      });
      assert.deepEqual(await systemd(run).booted(), expected);
    });
  }

  test("a restart gives its reason in one line", async () => {
    const { run, calls } = scripted({ "systemctl reboot --no-wall --message=not healthy: a": {} });
    await systemd(run).restart("not healthy:\na");
    assert.equal(calls.length, 1);
  });

  test("a service is started, stopped and restarted", async () => {
    const { run, calls } = scripted({ "systemctl restart --no-ask-password -- web.service": {} });
    await systemd(run).act("web.service", "restart");
    assert.equal(calls.length, 1);
  });

  test("so does turning the machine off", async () => {
    const { run, calls } = scripted({ "systemctl poweroff --no-wall --message=installed: a": {} });
    await systemd(run).powerOff("installed:\na");
    assert.equal(calls.length, 1);
  });

  test("a systemd that does not answer is an error, not a unit that is stopped", async () => {
    const { run } = scripted({ [show("a.service")]: { exitCode: 1, stderr: "Failed to connect to bus" } });
    await assert.rejects(systemd(run).unit("a.service"), /Failed to connect to bus/);
  });
});

suite("OpenRC", () => {
  const exists =
    (...paths: string[]) =>
    async (path: string): Promise<boolean> =>
      await Promise.resolve(paths.includes(path));
  const STATUS = "rc-status --nocolor --format ini sysinit boot default";
  /** As OpenRC 0.45.2 prints it, with both of its forms. */
  const INI =
    "[sysinit]\n[boot]\nbootbad =  stopped \n[default]\nslow =  starting \nbad = failed\n" +
    "old =  started 00:01:02 (0)\nlost =  crashed \ngood =  started \n[Dynamic hotplugged]\n";

  for (const [status, active, state] of [
    [0, true, "started"],
    [3, false, "stopped"],
    [8, false, "starting"],
    [32, false, "crashed"],
    [1, false, "status 1"],
  ] as const) {
    test(`a service whose status is ${status} is ${active ? "" : "not "}active`, async () => {
      const { run } = scripted({ "rc-service --exists sshd": "", "rc-service sshd status": { exitCode: status } });
      assert.deepEqual(await openrc(run, exists()).unit("sshd.service"), { active, state });
    });
  }

  test("a service that is not there is not found", async () => {
    const { run, calls } = scripted({ "rc-service --exists nope": { exitCode: 1 } });
    assert.deepEqual(await openrc(run, exists()).unit("nope"), { active: false, state: "not found" });
    assert.equal(calls.length, 1);
  });

  test("a service of a runlevel that was reached has failed when it does not run", async () => {
    const { run } = scripted({ "rc-status --runlevel": "default\n", [STATUS]: INI, "rc-status --crashed": "lost\nmanual\n" });
    assert.deepEqual(await openrc(run, exists()).failed(), ["bad", "bootbad", "lost", "manual"]);
  });

  test("while a runlevel is being started, a service that is stopped has not failed yet", async () => {
    const { run } = scripted({
      ...{ "rc-status --runlevel": "default\n", [STATUS]: INI },
      ...{ "rc-status --crashed": { exitCode: 1 } },
    });
    assert.deepEqual(await openrc(run, exists("/run/openrc/rc.starting")).failed(), ["bad", "lost"]);
  });

  for (const [what, level, path, expected] of [
    ["is done in the default runlevel", "default", "", { done: true, waitingFor: "" }],
    ["is done in a runlevel of another name", "kiosk", "", { done: true, waitingFor: "" }],
    ["is not done while services start", "default", "/run/openrc/rc.starting", { done: false, waitingFor: "slow" }],
    ["is not done while others stop", "default", "/run/openrc/rc.stopping", { done: false, waitingFor: "slow" }],
    ["is not done between two runlevels", "boot", "", { done: false, waitingFor: "slow" }],
    ["is not done in a shutdown", "shutdown", "", { done: false, waitingFor: "slow" }],
  ] as const) {
    test(`a boot ${what}`, async () => {
      const levels = new Set(["sysinit", "boot", level]);
      const { run } = scripted({
        ...{ "rc-status --runlevel": `${level}\n` },
        ...{ [`rc-status --nocolor --format ini ${[...levels].join(" ")}`]: INI },
      });
      assert.deepEqual(await openrc(run, exists(path)).booted(), expected);
    });
  }

  test("a boot whose services are between two states says which runlevel it is in", async () => {
    const { run } = scripted({
      ...{ "rc-status --runlevel": "boot\n", "rc-status --nocolor --format ini sysinit boot": "[sysinit]\n[boot]\n" },
    });
    assert.deepEqual(await openrc(run, exists()).booted(), { done: false, waitingFor: "the end of the runlevel boot" });
  });

  test("a restart goes to the PID 1 that is there", async () => {
    const own = scripted({ "openrc-shutdown --reboot now": "" });
    await openrc(own.run, exists("/run/openrc/init.ctl")).restart("x");
    const other = scripted({ reboot: "" });
    await openrc(other.run, exists()).restart("x");
    assert.deepEqual([...own.calls, ...other.calls], ["openrc-shutdown --reboot now", "reboot"]);
  });

  test("a service is started, stopped and restarted", async () => {
    const { run, calls } = scripted({ "systemctl restart --no-ask-password -- web.service": {} });
    await systemd(run).act("web.service", "restart");
    assert.equal(calls.length, 1);
  });

  test("so does turning the machine off", async () => {
    const own = scripted({ "openrc-shutdown --poweroff now": "" });
    await openrc(own.run, exists("/run/openrc/init.ctl")).powerOff("x");
    const other = scripted({ poweroff: "" });
    await openrc(other.run, exists()).powerOff("x");
    assert.deepEqual([...own.calls, ...other.calls], ["openrc-shutdown --poweroff now", "poweroff"]);
  });
});

test("the init system is known by what it leaves in /run", async () => {
  const { run } = scripted({});
  const kind = async (...paths: string[]): Promise<string> =>
    (await initSystem(run, async (path) => await Promise.resolve(paths.includes(path)))).kind;
  assert.equal(await kind("/run/systemd/system"), "systemd");
  assert.equal(await kind("/run/openrc"), "openrc");
  assert.equal(await kind("/run/systemd/system", "/run/openrc"), "systemd");
  await assert.rejects(kind(), { code: "INIT_UNKNOWN" });
});

test("the double answers what it was told, and remembers restarts", async () => {
  const fake = fakeInitSystem();
  fake.units["a.service"] = { active: true, state: "running" };
  fake.failedUnits = ["b.service"];
  fake.waitingFor = "c.service";
  assert.deepEqual(await fake.unit("a.service"), { active: true, state: "running" });
  assert.deepEqual(await fake.unit("x.service"), { active: false, state: "not found" });
  assert.deepEqual(await fake.failed(), ["b.service"]);
  assert.deepEqual(await fake.booted(), { done: false, waitingFor: "c.service" });
  await fake.restart("why");
  assert.deepEqual(fake.restarts, ["why"]);
});
