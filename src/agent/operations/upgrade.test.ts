/** Upgrades on a machine in memory, boot after boot as the loader's rules choose. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError } from "../../core/error.ts";
import type { SlotName, SlotState } from "../../layout/slots.ts";
import { boot, states } from "../fake-boot.ts";
import type { FakeMachine } from "../fake-machine.ts";
import { disk, file, upgrade } from "./fake-upgrades.ts";

suite("an upgrade", () => {
  test("of a: b is emptied, written, verified, made active, booted, proven, and remembered", async () => {
    const on = disk();
    const first = await boot(on, { ask: upgrade });
    const begun = first.machine.done.indexOf("check /new.img");
    const steps = first.machine.done.slice(begun).filter((line) => !["state", "clock", "seed", "beat", "copies"].includes(line));
    assert.deepEqual(steps, ["check /new.img", "record", "tries", "write b from 0", "verify b", "tries", "record"]);
    assert.deepEqual(first.machine.init.restarts, ["upgrade to edge 2.0"]);
    assert.equal(states(on), "b: proven aa, trial cc");
    assert.equal(on.tries.b, 3);
    const second = await boot(on);
    assert.equal(second.slot, "b");
    assert.equal(states(on), "b: proven aa, proven cc");
    const [entry] = second.agent.operations.history();
    assert.deepEqual(
      [entry!.kind, entry!.outcome, entry!.target, entry!.image.version, entry!.from, entry!.cause],
      ["upgrade", "succeeded", "slot b", "2.0", { slot: "a", version: "1.0" }, "asked for by root"],
    );
    assert.equal(second.agent.status().operation, undefined);
  });

  test("runs the stages around it: the one before it before anything is written, the one after it before the restart", async () => {
    const on = disk({ stages: { "before-upgrade": undefined, "after-upgrade": "it is not as it should be" } });
    const { machine } = await boot(on, { ask: upgrade });
    const steps = machine.done.filter((line) => /^(stage|check|write|record|tries)/.test(line));
    assert.deepEqual(steps.slice(steps.indexOf("stage before-upgrade")), [
      ...[
        "stage before-upgrade",
        "check /new.img",
        "record",
        "tries",
        "write b from 0",
        "tries",
        "record",
        "stage after-upgrade",
      ],
    ]);
    assert.ok(machine.said.includes("alarm: it is not as it should be"));
    assert.deepEqual(machine.init.restarts, ["upgrade to edge 2.0"]);
    assert.equal((await boot(on)).slot, "b");
  });

  test("that a stage refuses changes nothing", async () => {
    const on = disk({ stages: { "before-upgrade": "the database is not stopped" } });
    const before = states(on);
    const { machine, agent } = await boot(on, {
      ask: async (asked, signal) =>
        await assert.rejects(upgrade(asked, signal), { code: "STAGE_FAILED", message: "the database is not stopped" }),
    });
    assert.equal(states(on), before);
    assert.equal(
      machine.done.some((line) => line.startsWith("write") || line.startsWith("check ")),
      false,
    );
    assert.deepEqual(agent.operations.history(), []);
  });

  test("of b, back and forth, goes to a; the same image again is nothing to do", async () => {
    const on = disk();
    await boot(on, { ask: upgrade });
    const second = await boot(on, {
      ask: async (agent, signal) => {
        await assert.rejects(upgrade(agent, signal), { code: "TRIAL_RUNNING" });
      },
    });
    assert.equal(second.slot, "b");
    await boot(on, {
      ask: async (agent, signal) => {
        await assert.rejects(upgrade(agent, signal), { code: "ALREADY_RUNNING" });
        await upgrade(agent, signal, file("/newer.img"));
      },
    });
    const fourth = await boot(on);
    assert.equal(fourth.slot, "a");
    assert.equal(states(on), "a: proven dd, proven cc");
  });

  test("whose health checks fail ends on the old slot, which is the active one then, and says why", async () => {
    const on = disk();
    await boot(on, { ask: upgrade });
    const sick = { prepare: (machine: FakeMachine) => void (machine.failing["web"] = "status 500"), until: 200_000 };
    for (let count = 0; count < 3; count++) assert.equal((await boot(on, sick)).slot, "b");
    const back = await boot(on);
    assert.equal(back.slot, "a");
    assert.equal(states(on), "a: proven aa, trial cc");
    const [entry] = back.agent.operations.history();
    assert.equal(entry!.outcome, "fell back");
    assert.match(entry!.reason!, /web: status 500/);
    assert.match(entry!.log!.text, /journal of boot-/);
  });

  test("that panics before its agent runs ends on the old slot too", async () => {
    const on = disk();
    await boot(on, { ask: upgrade });
    on.tries = { ...on.tries, b: 0 };
    const back = await boot(on);
    assert.deepEqual([back.slot, back.agent.operations.history()[0]!.outcome], ["a", "fell back"]);
    assert.match(back.agent.operations.history()[0]!.reason!, /before its agent had started/);
  });

  test("whose boot files are damaged after it was verified fails, and is not tried again", async () => {
    const on = disk();
    await boot(on, { ask: upgrade });
    on.places = { ...on.places, b: "half" };
    const back = await boot(on);
    assert.deepEqual([back.slot, back.agent.operations.history()[0]!.outcome, on.tries.b], ["a", "failed", 0]);
    assert.equal(states(on), "a: proven aa, bad cc");
  });

  test("a damaged source changes nothing", async () => {
    const on = disk();
    const before = states(on);
    const { machine } = await boot(on, {
      prepare: (m) => void (m.damage["/new.img"] = "vmlinuz is not the file of the manifest"),
      ask: async (agent, signal) => {
        const news = await upgrade(agent, signal);
        assert.match(JSON.stringify(news.at(-1)), /the image is damaged: vmlinuz/);
      },
    });
    assert.equal(states(on), before);
    assert.ok(!machine.done.some((line) => line.startsWith("write")));
  });

  test("what reads back wrong is never booted", async () => {
    const on = disk();
    await boot(on, { prepare: (m) => void (m.damage["b"] = "block 7 is not what it was"), ask: upgrade });
    assert.equal(states(on), "a: proven aa, empty -");
    assert.equal(on.state.operations[0]!.outcome, "failed");
    assert.equal((await boot(on)).slot, "a");
  });

  test("a line that is down is tried again from where it was, and an error of the disk is not", async () => {
    const on = disk({ writeFails: [new AppError("SOURCE_UNREACHABLE", "no answer"), undefined] });
    const first = await boot(on, {
      ask: async (agent, signal) => await upgrade(agent, signal, file("", { source: { is: "url", url: "http://x/new.img" } })),
    });
    assert.deepEqual(first.machine.init.restarts, ["upgrade to edge 2.0"]);
    const broken = disk({ writeFails: [Object.assign(new Error("EIO: i/o error, write"), { code: "EIO" })] });
    await boot(broken, { ask: upgrade });
    assert.equal(states(broken), "a: proven aa, empty -");
    assert.deepEqual(
      [broken.state.operations[0]!.outcome, broken.state.operations[0]!.reason],
      ["failed", "EIO: i/o error, write"],
    );
  });

  for (const [what, request, change, code] of [
    ["an image that is larger than the slot", file("/new.img"), { capacity: 1000 }, "IMAGE_TOO_LARGE"],
    ["an image that is not there", file("/nowhere.img"), {}, "IMAGE_UNREADABLE"],
    ["an upgrade while the record is unreadable", file("/new.img"), { recordUnreadable: true }, "RECORD_UNREADABLE"],
  ] as const) {
    test(`${what} is refused before anything changes`, async () => {
      const on = disk(change);
      const { machine } = await boot(on, {
        until: 3500,
        ask: async (agent, signal) => {
          await assert.rejects(upgrade(agent, signal, request), { code });
        },
      });
      assert.ok(!machine.done.some((line) => /write|record/.test(line)), machine.done.join());
    });
  }
});

test("from recovery, the slot that is of no use is written, and of two good ones the passive one", async () => {
  for (const [a, b, target] of [
    ["bad", "proven", "a"],
    ["proven", "empty", "b"],
    ["proven", "proven", "b"],
    ["bad", "bad", "a"],
  ] as const satisfies (readonly [SlotState, SlotState, SlotName])[]) {
    const on = disk({ tries: { a: 0, b: 0, next: "recovery" } });
    on.record = { active: "a", slots: { a: { state: a, digest: "aa" }, b: { state: b, digest: "bb" } }, recovery: 1 };
    const { slot, machine } = await boot(on, { ask: upgrade });
    assert.equal(slot, "recovery");
    assert.ok(machine.done.includes(`write ${target} from 0`), `${a} ${b}`);
    const after = await boot(on);
    assert.deepEqual([after.slot, on.record.slots[target].state], [target, "proven"]);
  }
});

test("recovery gets an image in the file that is not in use, and is switched to it", async () => {
  const on = disk();
  const request = file("/new.img", { recovery: true });
  const { machine } = await boot(on, { ask: async (agent, signal) => await upgrade(agent, signal, request) });
  assert.ok(machine.done.includes("write recovery2 from 0"));
  assert.deepEqual([on.record.recovery, machine.init.restarts], [2, []]);
  await boot(on, { ask: async (agent, signal) => await upgrade(agent, signal, request) });
  assert.equal(on.record.recovery, 1);
  assert.equal(states(on), "a: proven aa, proven bb");
});
