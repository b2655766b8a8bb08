import assert from "node:assert/strict";
import { test } from "node:test";
import type { Compiled } from "../../config/machine/compile/compile-config.ts";
import type { StagePlan } from "../../config/machine/compile/stage-plan.ts";
import type { CompiledUser, TreeEntry } from "../../layout/compiled-config.ts";
import type { DriftReport } from "../../layout/drift-report.ts";
import { lookAtDrift } from "./drift.ts";
import { fakeStageMachine, fakeStageStep, type FakeStageOptions } from "./fake-stage-ports.ts";

const file = (path: string, text: string): TreeEntry => ({
  ...{ path, when: "root", owner: "0:0", what: { is: "file", mode: 0o644, content: { text } } },
});
const ADA: CompiledUser = { name: "ada", isSystem: false, groups: [], makeHome: false, password: "$6$secret" };
const SYSCTL = file(
  "/etc/sysctl.d/90-petrify.conf",
  "# From the machine config\nvm.swappiness = 1\nnet.x = 1 2\n-net.none = 1\n",
);

function configOf(drift: StagePlan["drift"], entries: readonly TreeEntry[], stages: StagePlan["stages"] = {}): Compiled {
  return {
    compiled: {
      ...{ config: "", image: { name: "", version: "" }, accounts: { users: [ADA], groups: [] }, hostname: "edge" },
      ...{ entries, persistent: [], stages: [] },
    },
    ...{ init: "systemd", kernelArgs: { append: [], remove: [] } },
    plan: { stages, once: { disks: [], fileSystems: [], mounts: [], commands: [] }, environment: {}, drift },
  };
}
async function look(config: Compiled, options: FakeStageOptions = {}, parameters: Readonly<Record<string, string>> = {}) {
  const machine = fakeStageMachine(options);
  const kept: DriftReport[] = [];
  const report = await lookAtDrift(7, config, {
    ...machine,
    parameter: async (name) => await Promise.resolve(parameters[name]),
    keepDrift: async (now) => {
      machine.did.push("report");
      await Promise.resolve(void kept.push(now));
    },
  });
  return { machine, report, kept };
}
/** What a machine has that is as its config says. */
async function right(config: Compiled): Promise<Record<string, string>> {
  const { machine } = await look({ ...config, plan: { ...config.plan, drift: "mend" } });
  return { ...Object.fromEntries(machine.files), "/proc/sys/kernel/hostname": "edge\n" };
}

const CONFIG = configOf("report", [file("/etc/app", "one"), SYSCTL]);
const PARAMETERS = { "vm.swappiness": "1\n", "net.x": "1\t2\n" };

test("a machine that is as its config says has nothing to tell", async () => {
  const { report, machine } = await look(CONFIG, { files: await right(CONFIG) }, PARAMETERS);
  assert.deepEqual(report, { at: 1_800_000_000, generation: 7, mode: "report", found: [] });
  assert.deepEqual(machine.did, ["report"]);
});

test("files, users, the host name and the kernel's parameters are looked at, and told without contents", async () => {
  const as = await right(CONFIG);
  const shadow = as["/etc/shadow"]!.replace("$6$secret", "$6$other");
  const files = { ...as, "/etc/app": "two", "/proc/sys/kernel/hostname": "other\n", "/etc/shadow": shadow };
  const { report, machine } = await look(CONFIG, { files }, { ...PARAMETERS, "vm.swappiness": "60\n" });
  assert.deepEqual(report?.found, ["/etc/app is other", "the host name is not edge", "user ada", "sysctl vm.swappiness is 60"]);
  assert.deepEqual(machine.did, ["report"], "nothing is mended");
  assert.equal(JSON.stringify([report, machine.said]).includes("$6$"), false);
});

test("what is to be mended is reported before, and what could not be is reported after", async () => {
  const config = { ...CONFIG, plan: { ...CONFIG.plan, drift: "mend" } } as const;
  const files = { ...(await right(CONFIG)), "/etc/app": "two" };
  const { report, kept, machine } = await look(config, { files }, { ...PARAMETERS, "vm.swappiness": "60" });
  assert.deepEqual(machine.did, [
    "report",
    "lay /etc/app",
    "sysctl vm.swappiness=1",
    "sysctl net.x=1 2",
    "sysctl net.none=1",
    "report",
  ]);
  assert.deepEqual(kept[0], {
    at: 1_800_000_000,
    generation: 7,
    mode: "mend",
    found: ["/etc/app is other", "sysctl vm.swappiness is 60"],
  });
  assert.deepEqual(report?.left, ["sysctl vm.swappiness is 60"]);
  assert.equal(machine.files.get("/etc/app"), "one");
});

test("what steps of stages write to is theirs, and nobody looks where the config says so", async () => {
  const steps = { boot: [fakeStageStep("a", { entries: [file("/etc/app", "three")] })] };
  const files = { ...(await right(CONFIG)), "/etc/app": "three" };
  const { report } = await look(configOf("mend", [file("/etc/app", "one")], steps), { files });
  assert.deepEqual(report?.found, []);
  assert.equal((await look(configOf("off", [file("/etc/app", "one")]))).report, undefined);
});
