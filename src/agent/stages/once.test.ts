import assert from "node:assert/strict";
import { test } from "node:test";
import type { StagePlan } from "../../config/machine/compile/stage-plan.ts";
import type { InstanceRecord } from "../../layout/instance-record.ts";
import { fakeStageMachine, type FakeStageOptions } from "./fake-stage-ports.ts";
import { onceSteps } from "./once.ts";

const planOf = (once: Partial<StagePlan["once"]>): StagePlan => ({
  ...{ stages: {}, environment: {}, drift: "report" },
  once: { disks: [], fileSystems: [], mounts: [], commands: [], ...once },
});
const COMMANDS = planOf({ commands: ["one", "two", "three"] });
const NEW: InstanceRecord = { instance: "i-1", done: {} };

/** A boot. @returns what was run, and what came of it */
async function boot(record: InstanceRecord, options: FakeStageOptions = {}, plan = COMMANDS) {
  const machine = fakeStageMachine({ ...options, record });
  const results = [];
  for (const { run } of onceSteps("network.after", plan, machine)) results.push(await run());
  return {
    machine,
    ran: machine.did.map((line) => line.replace("/bin/sh -c ", "")).join(" "),
    result: results[0],
    record: machine.state.record,
  };
}

test("commands are run once for each instance", async () => {
  const first = await boot(NEW);
  assert.equal(first.ran, "one two three");
  assert.deepEqual(first.result, { is: "done" });
  const second = await boot(first.record);
  assert.equal(second.ran, "");
  assert.equal(second.result?.is, "passed");
  assert.equal((await boot({ instance: "i-2", done: {} })).ran, "one two three");
});

test("other commands are not run for an instance that has had its own", async () => {
  const { record } = await boot(NEW);
  assert.equal((await boot(record, {}, planOf({ commands: ["four"] }))).ran, "");
});

test("one that fails keeps no other, is not run again, and is told at every boot", async () => {
  const first = await boot(NEW, { programs: { "/bin/sh -c two": 3 } });
  assert.equal(first.ran, "one two three");
  assert.deepEqual(first.result, { is: "failed", why: "command 2 of 3 exited with status 3: no" });
  const second = await boot(first.record);
  assert.equal(second.ran, "");
  assert.match(second.result!.why!, /command 2 of 3 exited with status 3.*not done again/);
});

test("wherever the power goes, each command is run at most once, and those after it are run", async () => {
  const whole = ["one", "two", "three"];
  // Each write of the record is a place to cut, before it and after it.
  for (let notes = 0; notes <= 6; notes++) {
    for (const cutAt of [...whole, undefined]) {
      let { record } = { record: NEW };
      const ran: string[] = [];
      const machine = fakeStageMachine({
        record,
        full: notes,
        programs: cutAt === undefined ? {} : { [`/bin/sh -c ${cutAt}`]: () => void (record = machine.state.record) },
      });
      for (const { run } of onceSteps("network.after", COMMANDS, machine)) await run();
      if (cutAt === undefined || !machine.did.includes(`/bin/sh -c ${cutAt}`)) record = machine.state.record;
      const until = cutAt === undefined ? machine.did.length : machine.did.indexOf(`/bin/sh -c ${cutAt}`) + 1;
      ran.push(...machine.did.slice(0, until || machine.did.length));
      const after = await boot(record);
      ran.push(...after.machine.did);
      assert.deepEqual(
        ran,
        whole.map((word) => `/bin/sh -c ${word}`),
        `cut at ${cutAt} with ${notes} notes`,
      );
    }
  }
});

test("one that was cut off is told; one that stops the machine itself is not", async () => {
  const cut: InstanceRecord = { instance: "i-1", done: {} };
  const machine = fakeStageMachine({ record: cut, programs: { "/bin/sh -c two": () => machine.state.stop.abort() } });
  for (const { run } of onceSteps("network.after", COMMANDS, machine)) await run();
  const after = await boot(machine.state.record);
  assert.equal(after.ran, "three");
  assert.equal(after.result?.is, "done");

  const of = machine.state.record.done["runcmd"]!.of!;
  const off = await boot({ instance: "i-1", done: { runcmd: { at: 1, begun: true, running: true, ended: 1, of } } });
  assert.equal(off.ran, "three");
  assert.match(off.result!.why!, /command 2 of 3 was cut off/);
});

test("where it cannot be kept that they were begun, they are not", async () => {
  const { ran, result } = await boot(NEW, { full: 0 });
  assert.equal(ran, "");
  assert.deepEqual(result, { is: "failed", why: "no space left on device" });
});

test("file systems that were made are mounted, once", async () => {
  const plan = planOf({ fileSystems: [MAKE], mounts: ["srv-data.mount", "srv-b.mount"] });
  const machine = fakeStageMachine({ devices: [disk("/dev/vdb")] });
  const boots = [];
  for (let count = 0; count < 2; count++)
    for (const step of onceSteps("fs.before", plan, machine)) boots.push(`${step.name} ${(await step.run()).is}`);
  assert.equal(machine.did.at(-1), "systemctl start srv-data.mount srv-b.mount");
  assert.deepEqual(boots, ["fs_setup /dev/vdb none done", "mounts done", "fs_setup /dev/vdb none passed", "mounts passed"]);
});

const disk = (path: string, about: object = {}) => ({
  name: path,
  type: "disk",
  size: 1024 ** 3,
  ro: false,
  rm: false,
  ...about,
});
const SETUP = { device: "/dev/vdb", table: "gpt", partitions: [50, 50], overwrite: false } as const;
const MAKE = { device: "/dev/vdb", partition: "none", type: "ext4", label: "data", overwrite: false } as const;
const PART = { name: "/dev/vdb1", type: "part", size: 1, fstype: "ext4", label: "data" };
const DISKS: readonly (readonly [
  what: string,
  once: Partial<StagePlan["once"]>,
  devices: readonly object[],
  done: InstanceRecord["done"],
  did: RegExp | "nothing",
  is: RegExp,
])[] = [
  [
    "an empty disk gets its table",
    { disks: [SETUP] },
    [disk("/dev/vdb")],
    {},
    /^sfdisk .* \/dev\/vdb < label: gpt; size=511MiB, type=linux; type=linux$/m,
    /^done/,
  ],
  [
    "one that holds something is left alone",
    { disks: [SETUP] },
    [disk("/dev/vdb", { fstype: "ext4" })],
    {},
    "nothing",
    /^done it holds something/,
  ],
  [
    "unless it is to be overwritten",
    { disks: [{ ...SETUP, overwrite: true }] },
    [disk("/dev/vdb", { children: [PART] })],
    {},
    /wipefs --all --quiet \/dev\/vdb1\n.*wipefs --all --quiet \/dev\/vdb\nsfdisk/,
    /^done/,
  ],
  [
    "never the system's own",
    { disks: [{ ...SETUP, device: "/dev/vda", overwrite: true }] },
    [disk("/dev/vda")],
    {},
    "nothing",
    /system's own disk/,
  ],
  [
    "nor a part of it",
    { fileSystems: [{ ...MAKE, device: "/dev/vda3", overwrite: true }] },
    [disk("/dev/vda", { children: [{ ...PART, name: "/dev/vda3" }] })],
    {},
    "nothing",
    /system's own disk/,
  ],
  [
    "nor one that is in use",
    { disks: [{ ...SETUP, overwrite: true }] },
    [disk("/dev/vdb", { children: [{ ...PART, mountpoints: ["/srv"] }] })],
    {},
    "nothing",
    /is in use: \/srv/,
  ],
  [
    "a disk that is not there is told, and tried at the next boot",
    { disks: [SETUP] },
    [],
    { "disk_setup /dev/vdb": { at: 1, begun: true } },
    "nothing",
    /^failed .*no block device/,
  ],
  [
    "it is done once",
    { disks: [{ ...SETUP, overwrite: true }] },
    [disk("/dev/vdb")],
    { "disk_setup /dev/vdb": { at: 1 } },
    "nothing",
    /^passed/,
  ],
  [
    "one that was cut off, and is neither empty nor done, is left alone",
    { disks: [{ ...SETUP, overwrite: true }] },
    [disk("/dev/vdb", { children: [PART] })],
    { "disk_setup /dev/vdb": { at: 1, begun: true } },
    "nothing",
    /^failed .*cut off/,
  ],
  [
    "a file system",
    { fileSystems: [MAKE] },
    [disk("/dev/vdb")],
    {},
    /mke2fs -q -F -t ext4 -L data \/dev\/vdb\nchanged \/dev\/vdb$/,
    /^done/,
  ],
  [
    "a file system that is there",
    { fileSystems: [MAKE] },
    [disk("/dev/vdb", { fstype: "ext4", label: "data" })],
    {},
    "nothing",
    /^done$/,
  ],
  [
    "a file system of another kind stays",
    { fileSystems: [MAKE] },
    [disk("/dev/vdb", { fstype: "xfs" })],
    {},
    "nothing",
    /^done it holds/,
  ],
  [
    "a file system on a partition",
    { fileSystems: [{ ...MAKE, partition: 1 }] },
    [disk("/dev/vdb", { children: [{ name: "/dev/vdb1", type: "part", size: 1 }] })],
    {},
    /mke2fs .* \/dev\/vdb1\nchanged \/dev\/vdb1$/,
    /^done/,
  ],
  [
    "a partition that is not there",
    { fileSystems: [{ ...MAKE, partition: 2 }] },
    [disk("/dev/vdb")],
    {},
    "nothing",
    /no partition 2/,
  ],
];
for (const [what, once, devices, done, did, is] of DISKS) {
  test(`disks: ${what}`, async () => {
    const machine = fakeStageMachine({ devices, record: { instance: "i-1", done } });
    const [step] = onceSteps("fs.before", planOf(once), machine);
    const { is: found, why } = await step!.run();
    assert.match(`${found} ${why ?? ""}`.trim(), is);
    if (did === "nothing") assert.deepEqual(machine.did, []);
    else assert.match(machine.did.join("\n"), did);
    if (found === "done") assert.equal(machine.state.record.done[step!.name]?.begun, undefined);
  });
}
