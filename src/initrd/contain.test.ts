import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ContainerPlan } from "../layout/container-plan.ts";
import { contain } from "./contain.ts";
import { fakeCalls } from "./fake-calls.ts";
import { fakeSys } from "./fake-sys.ts";

const ROOT = "/run/petrify/debug/1/root";
const ENDED = "/run/petrify/debug/1/ended";
const NOTHING = { processes: false, network: false, devices: false, files: "no", settings: false } as const;
const plan = (has: Partial<ContainerPlan["has"]> = {}, more: Partial<ContainerPlan> = {}): ContainerPlan => ({
  ...{
    root: ROOT,
    ended: ENDED,
    command: ["/bin/x"],
    environment: ["A=b"],
    folder: "/",
    capabilities: [0, 1],
    has: { ...NOTHING, ...has },
  },
  ...more,
});

/** A machine on which every fork is seen from the child. */
function machine() {
  const sys = fakeSys(Object.fromEntries(["sys", "irq"].map((name) => [`${ROOT}/proc/${name}`, ""])));
  const calls = fakeCalls();
  // The kernel has 41 capabilities.
  calls.answers.set("prctl 23", ([, one]) => (Number(one) <= 40 ? 1 : -22));
  const said: string[] = [];
  /** What is told, by the first process, or by one that it has started. */
  const run = (wanted: ContainerPlan): number => {
    const code = contain(sys, calls, wanted, (line) => said.push(line));
    return code === 0 ? Number(sys.files.get(ENDED)) : code;
  };
  /** A fake one comes back where a real program is replaced. */
  const starts = (wanted: ContainerPlan): void => {
    run(wanted);
    assert.ok(calls.done.includes("exec /bin/x"), said.join("\n"));
  };
  return { sys, calls, said, run, starts };
}

suite("the first process of a container", () => {
  test("leaves the machine's root and its own rights before the program is started", () => {
    const { calls, starts } = machine();
    starts(plan());
    const order = [
      "unshare 131072",
      "mount_setattr",
      "unshare 536870912",
      "fork",
      "pivot_root . .",
      "umount2 . 2",
      "setsid",
      "prctl 24 2",
      "capset",
      "prctl 38 1",
      "exec /bin/x",
    ];
    const places = order.map((start) => calls.done.findIndex((line) => line.startsWith(start)));
    assert.ok(!places.includes(-1), calls.done.join("\n"));
    assert.deepEqual(
      places,
      places.toSorted((one, other) => one - other),
    );
    assert.equal(calls.done.filter((line) => line.startsWith("prctl 24 ")).length, 39, "it keeps two");
  });

  for (const refused of [
    "unshare 131072",
    "unshare 536870912",
    "mount_setattr",
    "pivot_root",
    "umount2",
    "prctl 24",
    "capset",
    "prctl 38",
    "setsid",
    "fork",
  ])
    test(`starts nothing where the kernel refuses ${refused}`, () => {
      const { calls, run, said } = machine();
      calls.answers.set(refused, () => -1);
      assert.equal(run(plan()), 125);
      assert.ok(!calls.done.some((line) => line.startsWith("exec")));
      assert.equal(said.length, 1);
    });

  for (const refused of ["mount proc", "mount sysfs", `mount 4096 ${ROOT}`, "mount tmpfs", "mount devpts"])
    test(`starts nothing where ${refused} is refused`, () => {
      const { sys, calls, run } = machine();
      sys.refuses.set(refused, 1);
      assert.equal(run(plan()), 125, sys.done.join("\n"));
      assert.ok(!calls.done.some((line) => line.startsWith("exec")));
    });

  test("gives nothing of the machine's files, devices and processes that its rights do not say", () => {
    const { sys, calls, starts } = machine();
    starts(plan());
    assert.ok(!sys.done.some((line) => line.includes(`${ROOT}/host`) || /mount \d+ \/dev /.test(line)), sys.done.join("\n"));
    const given = machine();
    given.starts(plan({ processes: true, files: "write", devices: true }));
    assert.ok(!given.calls.done.includes("unshare 536870912"));
    assert.ok(given.sys.done.some((line) => line.endsWith(`/ ${ROOT}/host`)));
    assert.ok(given.sys.done.some((line) => line.endsWith(`/dev ${ROOT}/dev`)));
    assert.ok(calls.done.includes("unshare 536870912"));
  });

  test("puts nothing where a link of the image leads", () => {
    const { sys, starts } = machine();
    sys.files.set(`${ROOT}/sys`, "");
    sys.modes.set(`${ROOT}/sys`, 0o120777);
    starts(plan());
    const removed = sys.done.findIndex((line) => line.includes(`${ROOT}/sys`) && line.startsWith("remove"));
    assert.ok(removed >= 0 && removed < sys.done.findIndex((line) => line.startsWith("mount sysfs")), sys.done.join("\n"));
  });

  test("ends with what its program has ended with, once it is that which has", () => {
    for (const [status, code] of [
      [0, 0],
      [3 << 8, 3],
      [9, 137],
      [139, 139],
    ] as const) {
      const { calls, run } = machine();
      calls.answers.set("fork", () => 70);
      calls.ends.set(71, 1 << 8).set(70, status);
      assert.equal(run(plan()), code);
    }
  });
});
