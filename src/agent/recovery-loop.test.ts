/** Recovery on a machine in memory, boot after boot as the loader's rules choose: whole, and cut anywhere. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { RecordFacts } from "../layout/record-change.ts";
import { SLOTS, type SlotName } from "../layout/slots.ts";
import { boot, statesAndTries } from "./fake-boot.ts";
import type { FakeMachine } from "./fake-machine.ts";
import { LOST, ROTTEN, steps, stranded, written } from "./fake-recovery.ts";
import { statusText } from "./status-text.ts";

suite("a machine in recovery", () => {
  test("whose slots are out of tries boots the active one, which is whole, and forgets its attempts once that is healthy", async () => {
    const on = stranded("trial", "proven");
    const first = await boot(on);
    assert.equal(first.slot, "recovery");
    assert.deepEqual(written(first.machine), []);
    assert.deepEqual(first.machine.init.restarts, ["recovery: slot a is whole, and has its tries again"]);
    assert.equal(statesAndTries(on), "a: trial aa 3, proven bb 0");
    assert.deepEqual(on.state.recovery, { count: 1, slot: "a" });
    const second = await boot(on);
    assert.deepEqual([second.slot, statesAndTries(on)], ["a", "a: proven aa 6, proven bb 0"]);
    assert.equal(on.state.recovery, undefined);
    assert.equal(second.agent.status().recovery, undefined);
  });

  test("forgets its attempts, too, when the slot was proven before", async () => {
    const on = stranded("proven", "empty");
    await boot(on);
    assert.equal((await boot(on)).slot, "a");
    assert.equal(on.state.recovery, undefined);
  });

  test("has a slot that was marked bad, and is whole, on trial", async () => {
    const on = stranded("bad", "empty");
    await boot(on);
    assert.equal(statesAndTries(on), "a: trial aa 3, empty - 0");
    assert.equal((await boot(on)).slot, "a");
    assert.equal(statesAndTries(on), "a: proven aa 6, empty - 0");
  });

  test("whose slots are both damaged installs itself in one of them, and the history says why", async () => {
    const on = stranded("proven", "proven", { tries: { a: 6, b: 6 }, rotten: ROTTEN });
    const first = await boot(on);
    assert.equal(first.slot, "recovery");
    assert.deepEqual(steps(first.machine), [
      "waits until 5s after the start of this boot, then verifies the slots (attempt 1)",
      "verifying the slots",
      "slot a: damaged: block 7; slot b: damaged: block 8",
      "re-installing slot a from recovery's own image: no slot is whole",
      "upgrade to edge 0.9: writing slot a",
      "upgrade to edge 0.9: verifying slot a",
      "upgrade to edge 0.9: making it the active one",
      "upgrade to edge 0.9: slot a is waiting for a restart",
    ]);
    assert.equal(statesAndTries(on), "a: trial rr 3, bad bb 0");
    const second = await boot(on);
    assert.deepEqual([second.slot, statesAndTries(on)], ["a", "a: proven rr 6, bad bb 0"]);
    const [entry] = second.agent.operations.history();
    assert.deepEqual(
      [entry!.kind, entry!.cause, entry!.outcome, entry!.target, entry!.from.slot],
      ["upgrade", "no slot is whole", "succeeded", "slot a", "recovery"],
    );
  });

  test("that somebody asked for rests, for however long", async () => {
    const on = stranded("proven", "proven", { tries: { a: 6, b: 6 } });
    await boot(on, { ask: async (agent) => await agent.operations.restart("recovery") });
    const before = statesAndTries(on);
    const { slot, machine, agent } = await boot(on, { until: 3_600_000 });
    assert.deepEqual([slot, machine.init.restarts, statesAndTries(on)], ["recovery", [], before]);
    assert.deepEqual(steps(machine), ["it stays, because somebody asked for it"]);
    assert.match(statusText(agent.status()), /^recovery +it stays, because somebody asked for it$/m);
    assert.deepEqual(agent.status().alarms, []);
    assert.equal((await boot(on)).slot, "a");
  });

  test("waits longer each time, and has the slots in turn", async () => {
    const on = stranded("proven", "trial");
    const sick = { until: 90_000, prepare: (machine: FakeMachine) => void (machine.failing["web"] = "status 500") };
    const told: string[] = [];
    for (let round = 0; round < 4; round++) {
      const { slot, machine } = await boot(on, { until: 22_000_000, after: [300, 1800, 21_600] });
      assert.equal(slot, "recovery");
      told.push(`${/until (\w+)/.exec(steps(machine)[0]!)![1]} ${/slot \w/.exec(machine.init.restarts[0]!)![0]}`);
      // However often it is granted a boot, none of them gets anywhere.
      on.tries = { a: 0, b: 0 };
    }
    assert.deepEqual(told, ["5min slot a", "30min slot b", "6h slot a", "6h slot b"]);
    assert.deepEqual(on.state.recovery, { count: 4, slot: "b" });
    const { agent } = await boot(on, { ...sick, after: [300] });
    const { recovery } = agent.status();
    assert.deepEqual([recovery?.is, recovery?.until, recovery?.attempts], ["wait", 300, 4]);
    assert.match(
      statusText(agent.status()),
      /^recovery +waits until 5min after [^\n]*attempt 5\): in \d+ \w+\n +attempts since a slot was last healthy: 4$/m,
    );
  });

  test("whose only whole slot does not start installs itself in the other one, and leaves the whole one as it is", async () => {
    const on = stranded("proven", "trial", { rotten: { aa: "block 7" } });
    assert.match((await boot(on)).machine.init.restarts[0]!, /slot b is whole/);
    on.tries = { a: 0, b: 0 };
    const { machine } = await boot(on);
    assert.deepEqual(written(machine), ["write a from 0"]);
    assert.equal(on.state.operation!.cause, "slot b is whole, and does not start");
    assert.equal(on.places!["b"], "bb");
    assert.equal((await boot(on)).slot, "a");
  });

  test("writes to no whole slot, whatever the record says of the slots", async () => {
    const all = ["trial", "proven", "bad", "empty"] as const;
    const wholeness = [{}, { aa: "block 7" }, { bb: "block 8" }, ROTTEN];
    for (const a of all) {
      for (const b of all) {
        for (const rotten of wholeness) {
          const what = `${a} ${b} ${JSON.stringify(rotten)}`;
          const on = stranded(a, b, { rotten });
          const first = await boot(on);
          assert.equal(first.slot, "recovery", what);
          const isWhole = { a: a !== "empty" && !("aa" in rotten), b: b !== "empty" && !("bb" in rotten) };
          for (const slot of SLOTS) {
            if (isWhole[slot]) assert.equal(on.places![slot], { a: "aa", b: "bb" }[slot], what);
          }
          assert.equal(written(first.machine).length, isWhole.a || isWhole.b ? 0 : 1, what);
          const second = await boot(on);
          assert.notEqual(second.slot, "recovery", what);
          assert.equal(second.agent.status().health.is, "healthy", what);
          assert.equal(on.state.recovery, undefined, what);
        }
      }
    }
  });

  test("whose record is unreadable makes it anew from what it finds: a whole slot is on trial, the other one is empty", async () => {
    const on = stranded("proven", "proven", { rotten: { aa: "block 7" }, recordUnreadable: true });
    const { slot, machine } = await boot(on);
    assert.equal(slot, "recovery");
    assert.equal(statesAndTries(on), "b: empty - 0, trial - 3");
    assert.equal(machine.init.restarts.length, 1);
    const second = await boot(on);
    assert.deepEqual([second.slot, statesAndTries(on)], ["b", "b: empty - 0, proven - 6"]);
    const none = stranded("proven", "proven", { rotten: ROTTEN, recordUnreadable: true });
    await boot(none);
    assert.equal(statesAndTries(none), "a: trial rr 3, empty - 0");
    assert.equal((await boot(none)).slot, "a");
  });

  test("leaves a newer record alone, and says so", async () => {
    const on = stranded("proven", "proven");
    const { machine, agent } = await boot(on, {
      prepare: (m) => {
        const read = async (): Promise<RecordFacts> =>
          await Promise.resolve({ found: { is: "newer", sequence: 9, format: 2 }, tries: undefined });
        Object.assign(m.record, { read, change: read });
      },
    });
    assert.deepEqual([written(machine), machine.init.restarts], [[], []]);
    assert.deepEqual(steps(machine), ["it stays, because the boot record was written by newer software"]);
    assert.ok(agent.status().alarms.some(({ code }) => code === "IN_RECOVERY"));
  });

  test("whose disk refuses the new image waits, and tries the other slot", async () => {
    const eio = Object.assign(new Error("EIO: i/o error, write"), { code: "EIO" });
    const on = stranded("bad", "bad", { rotten: ROTTEN, writeFails: [eio, undefined] });
    const { machine } = await boot(on, { after: [5, 60] });
    assert.deepEqual(written(machine), ["write a from 0", "write b from 0"]);
    assert.ok(machine.said.some((line) => line.includes("failed: EIO: i/o error, write")));
    assert.ok(steps(machine).some((line) => /waits until .*attempt 2/.test(line)));
    const second = await boot(on);
    assert.deepEqual([second.slot, statesAndTries(on)], ["b", "b: empty - 0, proven rr 6"]);
  });

  test("whose own image does not get healthy installs it in the other slot, too, and then they have their turns", async () => {
    const on = stranded("bad", "bad", { rotten: ROTTEN });
    const did: string[] = [];
    for (let round = 0; round < 4; round++) {
      const { machine } = await boot(on);
      did.push(written(machine)[0] ?? machine.init.restarts[0]!);
      on.tries = { a: 0, b: 0 };
    }
    const again = (slot: SlotName): string => `recovery: slot ${slot} is whole, and has its tries again`;
    assert.deepEqual(did, ["write a from 0", "write b from 0", again("a"), again("b")]);
  });

  test("that is damaged itself says so, and changes nothing but which recovery boots the next time", async () => {
    const on = stranded("bad", "bad", { rotten: ROTTEN });
    const { machine } = await boot(on, { prepare: (m) => void (m.damage["recovery"] = "block 1") });
    assert.deepEqual([written(machine), machine.init.restarts, on.record.recovery], [[], [], 1]);
    assert.ok(machine.said.includes("alarm: the image that recovery runs from is damaged: block 1"));
    assert.ok(steps(machine).some((line) => /nothing to install from: the image in recovery 2 is damaged too/.test(line)));
    assert.ok(on.state.recovery!.count > 1, "it tries again");
    assert.equal(statesAndTries(on), "a: bad aa 0, bad bb 0");

    const other = stranded("bad", "bad", { rotten: ROTTEN });
    const switched = await boot(other, {
      prepare: (m) =>
        void Object.defineProperty(m.damage, "recovery", {
          get: () => (m.done.at(-1) === "check recovery" ? "block 1" : undefined),
        }),
    });
    assert.deepEqual([other.record.recovery, other.state.recovery], [2, undefined], "no attempt: the next one comes as soon");
    assert.match(switched.machine.init.restarts.join(), /the image that runs is damaged, and recovery 2 is whole/);
    assert.deepEqual([written(switched.machine), statesAndTries(other)], [[], "a: bad aa 0, bad bb 0"]);
    await boot(other);
    assert.equal((await boot(other)).slot, "a");
  });

  test("that cannot look at a slot writes to none, and goes on trying", async () => {
    const on = stranded("proven", "proven");
    const { machine } = await boot(on, {
      prepare: (m) =>
        void Object.assign(m, { verify: async () => await Promise.reject(new Error("the disk has no state partition")) }),
    });
    assert.deepEqual([written(machine), machine.init.restarts, statesAndTries(on)], [[], [], "a: proven aa 0, proven bb 0"]);
    assert.ok(
      steps(machine).some((line) =>
        line.startsWith("slot a: cannot be looked at: the disk has no state partition; slot b: cannot"),
      ),
    );
    assert.ok(on.state.recovery!.count > 1);
    assert.equal((await boot(on)).slot, "recovery");
    assert.equal((await boot(on)).slot, "a");
  });
});

suite("power that goes while recovery works", () => {
  for (const [what, make, wanted] of [
    ["gives tries back", () => stranded("bad", "empty"), /^a: proven aa 6/],
    ["installs itself", () => stranded("bad", "proven", { rotten: ROTTEN }), /^[ab]: .*proven rr 6/],
    ["makes the record anew", () => stranded("bad", "bad", { rotten: { aa: "block 7" }, recordUnreadable: true }), /proven - 6/],
    ["makes the state partition anew", () => stranded("proven", "trial", { tries: { a: 6, b: 3 }, lost: LOST }), /proven rr 6/],
    [
      "makes the record and the state partition anew",
      () => stranded("bad", "proven", { lost: { a: "a.img is missing" }, rotten: ROTTEN, recordUnreadable: true }),
      /proven rr 6/,
    ],
    [
      "makes the record anew and installs itself",
      () => stranded("bad", "bad", { rotten: ROTTEN, recordUnreadable: true }),
      /proven rr 6/,
    ],
  ] as const) {
    test(`${what} only delays it`, async () => {
      for (let cutAfter = 0; ; cutAfter++) {
        const on = make();
        const { machine } = await boot(on, { cutAfter });
        let runs = "";
        for (let count = 0; count < 6; count++) runs = (await boot(on)).slot;
        assert.notEqual(runs, "recovery", `cut after ${cutAfter}: ${statesAndTries(on)}`);
        assert.match(statesAndTries(on), wanted, `cut after ${cutAfter}`);
        assert.deepEqual([on.state.recovery, on.state.operation], [undefined, undefined], `cut after ${cutAfter}`);
        if (machine.init.restarts.length === 0) continue;
        assert.ok(cutAfter > 4, `${cutAfter} places`);
        break;
      }
    });
  }
});
