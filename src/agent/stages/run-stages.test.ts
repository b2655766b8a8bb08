import assert from "node:assert/strict";
import { test } from "node:test";
import type { StagePlan, StageStep } from "../../config/machine/compile/stage-plan.ts";
import type { StageName } from "../../config/machine/stages.ts";
import { hasFailed, stageProblems, type StageRun } from "../../layout/stage-results.ts";
import { fakeStageMachine, fakeStageStep, type FakeStageMachine, type FakeStageOptions } from "./fake-stage-ports.ts";
import { runStages } from "./run-stages.ts";

const planOf = (stages: Partial<Record<StageName, readonly StageStep[]>>, about: Partial<StagePlan> = {}): StagePlan => ({
  ...{ stages, once: { disks: [], fileSystems: [], mounts: [], commands: [] }, environment: {}, drift: "report" },
  ...about,
});
async function runOf(
  plan: StagePlan,
  options: FakeStageOptions = {},
  name = "boot",
): Promise<{ readonly run: StageRun; readonly machine: FakeStageMachine; readonly kept: StageRun[]; readonly is: string }> {
  const machine = fakeStageMachine(options);
  const kept: StageRun[] = [];
  const run = await runStages(
    { run: name, generation: 3, plan },
    machine,
    async (now) => await Promise.resolve(void kept.push(now)),
  );
  const is = run.stages.flatMap(({ name: stage, steps }) => steps.map((step) => `${stage}/${step.name} ${step.is}`)).join(", ");
  return { run, machine, kept, is };
}
const says = (name: string, about: Partial<StageStep> = {}) => fakeStageStep(name, { commands: [["say", name]], ...about });

test("a run is a stage with what comes before and after it, each in the order of its graph, told before and after", async () => {
  const { is, machine, run, kept } = await runOf(
    planOf({
      boot: [says("a", { after: ["b"] }), says("b")],
      "boot.before": [says("c")],
      "boot.after": [says("d")],
      fs: [says("e")],
    }),
  );
  assert.equal(is, "boot.before/c done, boot/b done, boot/a done, boot.after/d done");
  assert.deepEqual(machine.did, ["say c", "say b", "say a", "say d"]);
  const graph = machine.said.filter((line) => !/boot\.(before|after)|[cd](,|$)/.test(line));
  assert.deepEqual(graph, [
    "info: stage boot: 2 steps",
    "info:   1. b",
    "info:   2. a  (after 1)",
    "info:   done: b, 0 ms",
    "info:   done: a, 0 ms",
    "info: stage boot ended: 2 of 2 steps done, 0 ms",
  ]);
  assert.equal(run.generation, 3);
  assert.deepEqual(
    kept.map(({ stages, ended }) => `${stages.length}${ended ? " ended" : ""}`),
    ["0", "1", "2", "3", "3 ended"],
  );
});

test("a step that fails ends its stage, and nothing of it is dropped; the document's own keys are done all the same", async () => {
  const { is, run } = await runOf(
    planOf({ boot: [says("a"), says("b"), says("c"), says("write_files /run/x", { own: true })], "boot.after": [says("d")] }),
    { programs: { "say b": 7 } },
  );
  assert.equal(is, "boot/a done, boot/b failed, boot/c skipped, boot/write_files /run/x done, boot.after/d done");
  assert.equal(hasFailed(run), true);
  assert.deepEqual(stageProblems(run), [
    "boot: b failed: its command exited with status 7: no",
    "boot: c was not run: the stage ended with b",
  ]);
});

test("one that may fail keeps nobody, and is told", async () => {
  const { is, run } = await runOf(planOf({ boot: [says("a", { onError: "continue" }), says("b")] }), {
    programs: { "say a": 1 },
  });
  assert.equal(is, "boot/a failed, boot/b done");
  assert.equal(hasFailed(run), false);
  assert.equal(stageProblems(run).length, 1);
});

test("what makes no sense is left out and told", async () => {
  const { is, run } = await runOf(planOf({ boot: [says("a", { after: ["a"] }), says("b", { after: ["x"] }), says("c")] }));
  assert.equal(is, "boot/a skipped, boot/b skipped, boot/c done");
  assert.match(stageProblems(run)[0]!, /boot: a was not run: after: "a" .*circle/);
});

const CONDITIONS: readonly (readonly [about: Partial<StageStep["conditions"]>, is: string, why?: RegExp])[] = [
  [{ os: "debian|ubuntu" }, "done"],
  [{ os: "fedora" }, "passed", /only_os: this is debian/],
  [{ osVersion: "^12" }, "passed", /only_os_version/],
  [{ architecture: "aarch64" }, "passed", /only_arch/],
  [{ serviceManager: "openrc" }, "passed", /only_service_manager: this is systemd/],
  [{ os: "(" }, "failed", /only_os is no regular expression/],
  [{ files: ["/here", "/not"] }, "passed", /there is no \/not/],
  [{ anyFile: ["/not", "/here"] }, "done"],
  [{ noFiles: ["/here"] }, "passed", /there is \/here/],
  [{ command: "yes" }, "done"],
  [{ command: "no" }, "passed", /if does not hold/],
  [{ command: "nothing" }, "failed", /if cannot be decided/],
  [{ os: "fedora", command: "nothing" }, "passed"],
];
for (const [about, is, why] of CONDITIONS) {
  test(`a step on condition of ${JSON.stringify(about)} is ${is}`, async () => {
    const step = says("a", { conditions: { files: [], anyFile: [], noFiles: [], ...about } });
    const programs = { "/bin/sh -c no": 1, "/bin/sh -c nothing": 127 };
    const { run, machine } = await runOf(planOf({ boot: [step] }), { files: { "/here": "" }, programs });
    const [result] = run.stages[0]!.steps;
    assert.equal(result!.is, is);
    if (why) assert.match(result!.why!, why);
    assert.equal(machine.did.includes("say a"), is === "done");
  });
}

test("a step does what it is for in one order, commands last; what is so already is not done again", async () => {
  const step = fakeStageStep("all", {
    accounts: { users: [{ name: "ada", isSystem: false, groups: [], makeHome: false }], groups: [] },
    entries: [{ path: "/etc/app", when: "root", owner: "0:0", what: { is: "file", mode: 0o644, content: { text: "x" } } }],
    lines: [
      {
        path: "/etc/environment",
        when: "root",
        owner: "0:0",
        mode: 0o644,
        lines: [{ line: "A=2", begin: "A=" }, { line: "C=3" }],
      },
    ],
    fetched: [{ path: "/etc/f", when: "root", url: "https://files.example/f", mode: 0o644, owner: "0:0", append: false }],
    hostname: "h",
    sysctl: { "vm.swappiness": "1" },
    modules: ["loop"],
    units: { start: ["a.service"], stop: ["b.service"], restart: ["c.service"] },
    commands: ["true", ["say", "all"]],
  });
  const plan = planOf({ boot: [step] });
  const { machine, is } = await runOf(plan, { files: { "/etc/environment": "A=1\nB=1\n" }, isBooting: true });
  assert.equal(is, "boot/all done");
  assert.deepEqual(machine.did, [
    ...["remember ada", "lay accounts /etc/app /etc/environment", "hostname h", "download /etc/f", "sysctl vm.swappiness=1"],
    ...[
      "modprobe loop",
      "systemctl stop b.service",
      "systemctl --no-block restart c.service",
      "systemctl --no-block start a.service",
    ],
    ...["/bin/sh -c true", "say all"],
  ]);
  assert.equal(machine.files.get("/etc/environment"), "A=2\nB=1\nC=3\n");
  const again = await runOf(plan, { files: { ...Object.fromEntries(machine.files), "/proc/sys/kernel/hostname": "h\n" } });
  assert.equal(again.machine.did.filter((line) => /lay|remember|hostname/.test(line)).length, 0);
});

test("a command of a step that fails ends the step; where it may fail, the others are run", async () => {
  const commands = [
    ["say", "1"],
    ["say", "2"],
  ];
  for (const [onError, count] of [
    ["fail", 1],
    ["continue", 2],
  ] as const) {
    const { machine, is } = await runOf(planOf({ boot: [fakeStageStep("a", { commands, onError })] }), {
      programs: { "say 1": 1 },
    });
    assert.equal(machine.did.length, count);
    assert.equal(is, "boot/a failed");
  }
});

test("neither commands nor variables are told", async () => {
  const secret = "hunter2";
  const step = fakeStageStep("a", { commands: [`login ${secret}`, ["login", secret]], environment: { TOKEN: secret } });
  const { run, machine, kept } = await runOf(planOf({ boot: [step] }, { environment: { P: secret } }), {
    programs: { [`/bin/sh -c login ${secret}`]: 1, [`login ${secret}`]: 1 },
  });
  assert.equal(JSON.stringify([run, machine.said, kept]).includes(secret), false);
});
