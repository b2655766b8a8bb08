/** Recovery on a machine in memory, boot after boot as the loader's rules choose: whole, and cut anywhere. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ImageSummary } from "../layout/operation.ts";
import type { RecordFacts } from "../layout/record-change.ts";
import { SLOTS, type SlotName, type SlotState } from "../layout/slots.ts";
import type { Agent } from "./agent.ts";
import { boot } from "./fake-boot.ts";
import { freshDisk, type FakeDisk, type FakeMachine } from "./fake-machine.ts";
import { nextStep, type Finding, type Findings, type RecoverySituation } from "./recovery.ts";
import { statusText } from "./status-text.ts";

const OWN: ImageSummary = { name: "edge", version: "0.9", digest: "rr", size: 64_000_000 };
const NEW: ImageSummary = { name: "edge", version: "2.0", digest: "cc", size: 64_000_000 };

suite("what recovery does next", () => {
  const whole: Finding = { is: "whole" };
  const damaged: Finding = { is: "damaged", why: "block 7" };
  const empty: Finding = { is: "empty" };
  const lost: Finding = { is: "lost", why: "it holds no file system" };
  const unknown: Finding = { is: "unknown", why: "the disk has no state partition" };
  const record = (active: SlotName): RecordFacts["found"] => ({
    ...{ is: "whole", sequence: 1 },
    record: { active, slots: { a: { state: "proven" }, b: { state: "proven" } }, recovery: 1 },
  });
  const found = (a: Finding, b: Finding): { readonly findings: Findings } => ({ findings: { a, b } });
  const last = (slot: SlotName): Partial<RecoverySituation> => ({ attempts: { count: 1, slot }, uptime: 1_800_000 });
  const situation = (more: Partial<RecoverySituation>): RecoverySituation => ({
    ...{ asked: false, found: record("a"), busy: false, attempts: { count: 0 }, since: 0, uptime: 300_000 },
    ...{ afterSeconds: [300, 1800, 21_600], findings: undefined },
    ...more,
  });
  for (const [what, given, wanted] of [
    ["rests when somebody asked for it", { asked: true }, "rest"],
    ["rests when somebody asked for it, whatever it knows", { asked: true, ...found(whole, whole) }, "rest"],
    ["leaves a newer record alone", { found: { is: "newer", sequence: 1, format: 2 } }, "rest"],
    ["never disturbs an operation", { busy: true, ...found(whole, whole) }, "stand-by"],
    ["waits five minutes from the start of its boot", { uptime: 299_999 }, "wait"],
    ["then looks at the slots", {}, "verify"],
    ["waits half an hour the second time", { attempts: { count: 1 }, uptime: 1_799_999 }, "wait"],
    ["waits six hours the third time", { attempts: { count: 2 }, uptime: 21_599_999 }, "wait"],
    ["and every time after it", { attempts: { count: 9 }, uptime: 21_599_999 }, "wait"],
    ["but not longer", { attempts: { count: 9 }, uptime: 21_600_000 }, "verify"],
    ["waits from the end of what was done", { since: 100, uptime: 300_099 }, "wait"],
    ["boots the active slot where both are whole", found(whole, whole), "give-back a"],
    ["boots the active slot where both are whole (b)", { found: record("b"), ...found(whole, whole) }, "give-back b"],
    ["boots the other one when the active one came back", { ...last("a"), ...found(whole, whole) }, "give-back b"],
    ["boots the one that is whole", found(damaged, whole), "give-back b"],
    ["boots a whole one though the other cannot be looked at", found(unknown, whole), "give-back b"],
    ["installs itself in the other one when the whole one came back", { ...last("b"), ...found(damaged, whole) }, "re-install a"],
    ["gives it another chance when there is nothing else", { ...last("b"), ...found(unknown, whole) }, "give-back b"],
    ["installs itself when both are damaged", found(damaged, damaged), "re-install a"],
    ["installs itself when both are empty", found(empty, empty), "re-install a"],
    ["installs itself in the other one the next time", { ...last("a"), ...found(damaged, damaged) }, "re-install b"],
    ["writes to no slot that nobody can look at", found(unknown, damaged), "re-install b"],
    ["not even again", { ...last("b"), ...found(unknown, damaged) }, "re-install b"],
    ["writes nothing when neither can be looked at", found(unknown, unknown), "give-up"],
    ["makes a state partition anew that has no place for an image", found(lost, lost), "remake-store"],
    ["even if one slot has one, for an image that is damaged", found(damaged, lost), "remake-store"],
    ["or for none", found(lost, empty), "remake-store"],
    ["whichever slot had its turn the last time", { ...last("a"), ...found(lost, lost) }, "remake-store"],
    ["but never while a slot is whole", found(lost, whole), "give-back b"],
    ["not even if that one came back", { ...last("b"), ...found(lost, whole) }, "give-back b"],
    ["nor while a slot cannot be looked at", found(lost, unknown), "give-up"],
    ["nor that it cannot write to a slot that has no place", { ...last("a"), ...found(unknown, lost) }, "give-up"],
    ["and never disturbs an operation for it", { busy: true, ...found(lost, lost) }, "stand-by"],
    ["nor somebody who asked for recovery", { asked: true, ...found(lost, lost) }, "rest"],
    [
      "makes an unreadable record anew before it",
      { found: { is: "unreadable", why: "damaged" }, ...found(lost, lost) },
      "renew-record",
    ],
    [
      "makes an unreadable record anew, once it knows what is whole",
      { found: { is: "unreadable", why: "damaged" }, ...found(damaged, whole) },
      "renew-record b",
    ],
    ["looks at the slots before that", { found: { is: "unreadable", why: "damaged" } }, "verify"],
  ] as const satisfies (readonly [string, Partial<RecoverySituation>, string])[]) {
    test(what, () => {
      const step = nextStep(situation(given));
      const object = "slot" in step ? step.slot : "target" in step ? step.target : "whole" in step ? step.whole.join() : "";
      assert.equal(`${step.do} ${object}`.trim(), wanted);
    });
  }
});

const LOST = { a: "it holds no file system", b: "it holds no file system" } as const;
const ROTTEN = { aa: "block 7", bb: "block 8" } as const;
/** Nothing that the loader would boot. */
function stranded(a: SlotState, b: SlotState, more: Partial<FakeDisk> = {}): FakeDisk {
  const slot = (state: SlotState, digest: string) => (state === "empty" ? { state } : { state, digest });
  return freshDisk({
    record: { active: "a", slots: { a: slot(a, "aa"), b: slot(b, "bb") }, recovery: 1 },
    ...{ tries: { a: 0, b: 0 }, places: { a: "aa", b: "bb" }, images: { recovery: OWN, "/new.img": NEW } },
    ...more,
  });
}
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};
async function upgrade(agent: Agent, signal: AbortSignal): Promise<void> {
  const request = { source: { is: "file", path: "/new.img" }, recovery: false, restart: true, force: false } as const;
  for await (const _ of agent.operations.upgrade(request, signal));
}
const states = ({ record: { active, slots }, tries }: FakeDisk): string =>
  `${active}: ${SLOTS.map((slot) => `${slots[slot].state} ${slots[slot].digest ?? "-"} ${tries[slot]}`).join(", ")}`;
const steps = (machine: FakeMachine): readonly string[] =>
  machine.said.flatMap((line) => /^alarm: recovery: (.*)$/.exec(line)?.[1] ?? []);
const written = ({ done }: FakeMachine): readonly string[] => done.filter((line) => line.startsWith("write"));

suite("a machine in recovery", () => {
  test("whose slots are out of tries boots the active one, which is whole, and forgets its attempts once that is healthy", async () => {
    const on = stranded("trial", "proven");
    const first = await boot(on);
    assert.equal(first.slot, "recovery");
    assert.deepEqual(written(first.machine), []);
    assert.deepEqual(first.machine.init.restarts, ["recovery: slot a is whole, and has its tries again"]);
    assert.equal(states(on), "a: trial aa 3, proven bb 0");
    assert.deepEqual(on.state.recovery, { count: 1, slot: "a" });
    const second = await boot(on);
    assert.deepEqual([second.slot, states(on)], ["a", "a: proven aa 6, proven bb 0"]);
    assert.equal(on.state.recovery, undefined);
    assert.equal(second.agent!.status().recovery, undefined);
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
    assert.equal(states(on), "a: trial aa 3, empty - 0");
    assert.equal((await boot(on)).slot, "a");
    assert.equal(states(on), "a: proven aa 6, empty - 0");
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
    assert.equal(states(on), "a: trial rr 3, bad bb 0");
    const second = await boot(on);
    assert.deepEqual([second.slot, states(on)], ["a", "a: proven rr 6, bad bb 0"]);
    const [entry] = second.agent!.operations.history();
    assert.deepEqual(
      [entry!.kind, entry!.cause, entry!.outcome, entry!.target, entry!.from.slot],
      ["upgrade", "no slot is whole", "succeeded", "slot a", "recovery"],
    );
  });

  test("that somebody asked for rests, for however long", async () => {
    const on = stranded("proven", "proven", { tries: { a: 6, b: 6 } });
    await boot(on, { ask: async (agent) => await agent.operations.restart("recovery") });
    const before = states(on);
    const { slot, machine, agent } = await boot(on, { until: 3_600_000 });
    assert.deepEqual([slot, machine.init.restarts, states(on)], ["recovery", [], before]);
    assert.deepEqual(steps(machine), ["it stays, because somebody asked for it"]);
    assert.match(statusText(agent!.status()), /^recovery +it stays, because somebody asked for it$/m);
    assert.deepEqual(agent!.status().alarms, []);
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
    const { recovery } = agent!.status();
    assert.deepEqual([recovery?.is, recovery?.until, recovery?.attempts], ["wait", 300, 4]);
    assert.match(
      statusText(agent!.status()),
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
          assert.equal(second.agent!.status().health.is, "healthy", what);
          assert.equal(on.state.recovery, undefined, what);
        }
      }
    }
  });

  test("whose record is unreadable makes it anew from what it finds: a whole slot is on trial, the other one is empty", async () => {
    const on = stranded("proven", "proven", { rotten: { aa: "block 7" }, recordUnreadable: true });
    const { slot, machine } = await boot(on);
    assert.equal(slot, "recovery");
    assert.equal(states(on), "b: empty - 0, trial - 3");
    assert.equal(machine.init.restarts.length, 1);
    const second = await boot(on);
    assert.deepEqual([second.slot, states(on)], ["b", "b: empty - 0, proven - 6"]);
    const none = stranded("proven", "proven", { rotten: ROTTEN, recordUnreadable: true });
    await boot(none);
    assert.equal(states(none), "a: trial rr 3, empty - 0");
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
    assert.ok(agent!.status().alarms.some(({ code }) => code === "IN_RECOVERY"));
  });

  test("whose disk refuses the new image waits, and tries the other slot", async () => {
    const eio = Object.assign(new Error("EIO: i/o error, write"), { code: "EIO" });
    const on = stranded("bad", "bad", { rotten: ROTTEN, writeFails: [eio, undefined] });
    const { machine } = await boot(on, { after: [5, 60] });
    assert.deepEqual(written(machine), ["write a from 0", "write b from 0"]);
    assert.ok(machine.said.some((line) => line.includes("failed: EIO: i/o error, write")));
    assert.ok(steps(machine).some((line) => /waits until .*attempt 2/.test(line)));
    const second = await boot(on);
    assert.deepEqual([second.slot, states(on)], ["b", "b: empty - 0, proven rr 6"]);
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
    assert.equal(states(on), "a: bad aa 0, bad bb 0");

    const other = stranded("bad", "bad", { rotten: ROTTEN });
    const switched = await boot(other, {
      prepare: (m) =>
        void Object.defineProperty(m.damage, "recovery", {
          get: () => (m.done.at(-1) === "check recovery" ? "block 1" : undefined),
        }),
    });
    assert.deepEqual([other.record.recovery, other.state.recovery], [2, undefined], "no attempt: the next one comes as soon");
    assert.match(switched.machine.init.restarts.join(), /the image that runs is damaged, and recovery 2 is whole/);
    assert.deepEqual([written(switched.machine), states(other)], [[], "a: bad aa 0, bad bb 0"]);
    await boot(other);
    assert.equal((await boot(other)).slot, "a");
  });

  test("that cannot look at a slot writes to none, and goes on trying", async () => {
    const on = stranded("proven", "proven");
    const { machine } = await boot(on, {
      prepare: (m) =>
        void Object.assign(m, { verify: async () => await Promise.reject(new Error("the disk has no state partition")) }),
    });
    assert.deepEqual([written(machine), machine.init.restarts, states(on)], [[], [], "a: proven aa 0, proven bb 0"]);
    assert.ok(
      steps(machine).some((line) =>
        line.startsWith("slot a: cannot be looked at: the disk has no state partition; slot b: cannot"),
      ),
    );
    assert.ok(on.state.recovery!.count > 1);
    assert.equal((await boot(on)).slot, "recovery");
    assert.equal((await boot(on)).slot, "a");
  });

  test("whose state partition is lost makes it anew, installs itself there, and the history says why", async () => {
    for (const recordUnreadable of [false, true]) {
      const on = stranded("proven", "proven", { tries: { a: 6, b: 6 }, lost: LOST, recordUnreadable });
      const { slot, machine } = await boot(on);
      assert.equal(slot, "recovery");
      assert.deepEqual(steps(machine).slice(recordUnreadable ? 4 : 3), [
        "the state partition is lost (it holds no file system): making it anew",
        "slot a: empty; slot b: empty",
        "re-installing slot a from recovery's own image: the state partition was lost: it holds no file system",
        "upgrade to edge 0.9: writing slot a",
        "upgrade to edge 0.9: verifying slot a",
        "upgrade to edge 0.9: making it the active one",
        "upgrade to edge 0.9: slot a is waiting for a restart",
      ]);
      assert.equal(steps(machine)[2], `slot a: lost: ${LOST.a}; slot b: lost: ${LOST.b}`);
      const order = machine.done.filter((line) => ["record", "make store", "write a from 0"].includes(line));
      assert.deepEqual(
        order,
        ["record", "make store", "record", "write a from 0", "record"],
        "that the slots are empty is written before they are",
      );
      const second = await boot(on);
      assert.deepEqual([second.slot, states(on)], ["a", "a: proven rr 6, empty - 0"]);
      assert.deepEqual([on.state.recovery, on.state.operation], [undefined, undefined]);
      const [entry] = second.agent!.operations.history();
      assert.deepEqual(
        [entry!.kind, entry!.cause, entry!.outcome, entry!.target],
        ["upgrade", "the state partition was lost: it holds no file system", "succeeded", "slot a"],
      );
    }
  });

  test("makes a lost state partition anew though the record calls both slots empty: that is how far the last attempt came", async () => {
    const on = stranded("empty", "empty", { places: {}, lost: LOST });
    await boot(on);
    assert.equal((await boot(on)).slot, "a");
  });

  test("never makes a state partition anew while a slot is whole, or may be, whatever the record says", async () => {
    const all = ["trial", "proven", "bad", "empty"] as const;
    for (const a of all) {
      for (const b of all) {
        for (const lost of [{}, { a: "a.img is missing" }, { b: "b.img is missing" }, LOST]) {
          for (const storeUnreadable of [undefined, "EIO: i/o error, read"]) {
            for (const rotten of [{}, { aa: "block 7" }, { bb: "block 8" }, ROTTEN]) {
              const what = JSON.stringify({ a, b, lost, storeUnreadable, rotten });
              const on = stranded(a, b, { rotten, lost, ...(storeUnreadable ? { storeUnreadable } : {}) });
              const called = { a, b };
              const digests = { a: "aa", b: "bb" } as const;
              const isWhole = (slot: SlotName): boolean =>
                !(slot in lost) && called[slot] !== "empty" && !(digests[slot] in rotten);
              const { machine } = await boot(on);
              const wanted =
                storeUnreadable === undefined && (["a", "b"] as const).some((slot) => slot in lost) && !SLOTS.some(isWhole);
              assert.equal(machine.done.includes("make store"), wanted, what);
              if (storeUnreadable) assert.deepEqual(written(machine), [], what);
              if (storeUnreadable) continue;
              assert.notEqual((await boot(on)).slot, "recovery", what);
            }
          }
        }
      }
    }
  });

  test("does not believe that a slot is empty when nobody can look at it", async () => {
    const on = stranded("empty", "empty", { storeUnreadable: "EIO: i/o error, read" });
    const { machine } = await boot(on);
    assert.deepEqual([written(machine), machine.done.includes("make store")], [[], false]);
    assert.ok(
      steps(machine).includes(
        "slot a: cannot be looked at: EIO: i/o error, read; slot b: cannot be looked at: EIO: i/o error, read",
      ),
    );
    delete on.storeUnreadable;
    await boot(on);
    assert.equal((await boot(on)).slot, "a");
  });

  test("whose disk refuses the new state partition goes on trying, with longer waits", async () => {
    const eio = Object.assign(new Error("EIO: i/o error, write"), { code: "EIO" });
    const on = stranded("bad", "bad", { lost: LOST, makingFails: [eio, eio] });
    const { machine } = await boot(on, { after: [5, 10, 20], until: 600_000 });
    assert.equal(machine.done.filter((line) => line === "make store").length, 3);
    assert.deepEqual(
      steps(machine).flatMap((line) => /^waits .*attempt (\d)/.exec(line)?.[1] ?? []),
      ["1", "2", "3"],
    );
    assert.ok(steps(machine).includes("that came to nothing: EIO: i/o error, write"));
    assert.equal(on.state.recovery!.count, 3, "the last one goes on to install: one attempt");
    assert.equal((await boot(on)).slot, "a");
  });

  test("leaves a lost state partition as it is when nothing could be installed there: its own image is damaged, or too large", async () => {
    const damaged = stranded("bad", "bad", { lost: LOST });
    const first = await boot(damaged, { prepare: (m) => void (m.damage["recovery"] = "block 1") });
    const large = stranded("bad", "bad", { lost: LOST, capacity: OWN.size - 1 });
    const second = await boot(large);
    for (const [on, { machine }] of [
      [damaged, first],
      [large, second],
    ] as const) {
      assert.deepEqual([machine.done.includes("make store"), written(machine)], [false, []]);
      assert.equal(states(on), "a: bad aa 0, bad bb 0");
    }
    assert.ok(steps(second.machine).some((line) => /^that came to nothing: the image of .* does not fit/.test(line)));
  });

  test("leaves a state partition that has been made anew to whoever begins an upgrade to it", async () => {
    const on = stranded("bad", "bad", { lost: LOST });
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const { machine } = await boot(on, {
      until: 10_000_000,
      prepare: (m) => {
        const { make } = m.slotStore;
        Object.assign(m.slotStore, {
          make: async (...given: Parameters<typeof make>) => {
            await make(...given);
            begin();
            await turns(5);
          },
        });
        const { write } = m.images;
        Object.assign(m.images, {
          write: async (...given: Parameters<typeof write>) => {
            await turns(200);
            return await write(...given);
          },
        });
      },
      ask: async (agent, signal) => {
        signal.addEventListener("abort", begin);
        await begun;
        await upgrade(agent, signal);
      },
    });
    assert.equal(machine.done.filter((line) => line === "make store").length, 1);
    assert.ok(!steps(machine).some((line) => line.includes("came to nothing")));
    assert.deepEqual([machine.init.restarts, states(on)], [["upgrade to edge 2.0"], "a: trial cc 3, empty - 0"]);
  });

  test("does not make a state partition anew again and again that stays lost", async () => {
    const on = stranded("bad", "bad", { lost: LOST });
    const { machine } = await boot(on, {
      after: [5, 3600],
      until: 100_000,
      prepare: (m) => {
        const { make } = m.slotStore;
        Object.assign(m.slotStore, {
          make: async (...given: Parameters<typeof make>) => {
            await make(...given);
            on.lost = LOST;
          },
        });
      },
    });
    assert.equal(machine.done.filter((line) => line === "make store").length, 1);
    assert.ok(steps(machine).includes("that came to nothing: the state partition is lost as before: it holds no file system"));
  });

  test("never disturbs an upgrade that somebody asked for, however long it takes", async () => {
    const on = stranded("proven", "proven");
    let release = (): void => {};
    const { machine } = await boot(on, {
      until: 400_000,
      prepare: (m) => {
        const { write } = m.images;
        const held = new Promise<void>((resolve) => (release = resolve));
        Object.assign(m.images, {
          write: async (...given: Parameters<typeof write>) => {
            await held;
            return await write(...given);
          },
        });
        m.onWait = (uptime) => {
          if (uptime > 300_000) release();
          return uptime < 400_000;
        };
      },
      ask: async (agent, signal) => {
        await upgrade(agent, signal);
      },
    });
    assert.deepEqual(machine.init.restarts, ["upgrade to edge 2.0"]);
    assert.equal(states(on), "b: proven aa 0, trial cc 3");
    assert.equal(on.state.recovery, undefined, "it has tried nothing");
    assert.equal((await boot(on)).slot, "b");
  });
});

for (const during of SLOTS) {
  test(`an upgrade that somebody begins while slot ${during} is verified is let alone: no slot is booted or marked for it`, async () => {
    const on = stranded("bad", "bad");
    const aborted: string[] = [];
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const { machine } = await boot(on, {
      until: 100_000_000,
      prepare: (m) => {
        const { verify } = m;
        const { write } = m.images;
        Object.assign(m, {
          verify: async (...given: Parameters<typeof verify>) => {
            const [{ image }, , progress, signal] = given;
            const result = await verify(...given);
            if (image === during) begin();
            await turns(10);
            progress({ blocks: 10, done: 1, total: 2 });
            await turns(10);
            if (signal.aborted) aborted.push(image);
            signal.throwIfAborted();
            return result;
          },
        });
        Object.assign(m.images, {
          write: async (...given: Parameters<typeof write>) => {
            await turns(200);
            return await write(...given);
          },
        });
      },
      ask: async (agent, signal) => {
        signal.addEventListener("abort", begin);
        await begun;
        await upgrade(agent, signal);
      },
    });
    assert.deepEqual([machine.init.restarts, aborted], [["upgrade to edge 2.0"], [during]]);
    assert.equal(states(on), "a: trial cc 3, bad bb 0");
    assert.equal(on.state.recovery, undefined);
  });
}

test("an upgrade that somebody begins just before a slot has its tries back keeps it from having them", async () => {
  const on = stranded("bad", "bad");
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const { machine } = await boot(on, {
    until: 100_000_000,
    prepare: (m) => {
      const store = m.store.store.bind(m.store);
      Object.assign(m.store, {
        store: async (state: FakeDisk["state"]) => {
          await store(state);
          if (!state.recovery || state.operation) return;
          begin();
          await turns(20);
        },
      });
    },
    ask: async (agent, signal) => {
      signal.addEventListener("abort", begin);
      await begun;
      await upgrade(agent, signal);
    },
  });
  assert.deepEqual(machine.init.restarts, ["upgrade to edge 2.0"]);
  assert.equal(states(on), "a: trial cc 3, bad bb 0");
  const changes = machine.done.filter((line) => line === "record" || line === "tries");
  assert.deepEqual(
    changes,
    ["record", "tries", "record"],
    "emptied, granted, activated: what the upgrade does, and nothing else",
  );
});

test("an upgrade that somebody begins just before the state partition is made anew keeps it as it is", async () => {
  const on = stranded("proven", "bad", { lost: { a: "a.img is missing" }, rotten: { bb: "block 8" } });
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const { machine } = await boot(on, {
    until: 100_000_000,
    prepare: (m) => {
      const { check, write } = m.images;
      Object.assign(m.images, {
        write: async (...given: Parameters<typeof write>) => {
          await turns(200);
          return await write(...given);
        },
        check: async (...given: Parameters<typeof check>) => {
          const result = await check(...given);
          if (given[0].is !== "recovery") return result;
          begin();
          await turns(20);
          return result;
        },
      });
    },
    ask: async (agent, signal) => {
      signal.addEventListener("abort", begin);
      await begun;
      await upgrade(agent, signal);
    },
  });
  assert.deepEqual(machine.init.restarts, ["upgrade to edge 2.0"]);
  assert.ok(!machine.done.includes("make store"));
  assert.equal(states(on), "b: proven aa 0, trial cc 3");
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
        assert.notEqual(runs, "recovery", `cut after ${cutAfter}: ${states(on)}`);
        assert.match(states(on), wanted, `cut after ${cutAfter}`);
        assert.deepEqual([on.state.recovery, on.state.operation], [undefined, undefined], `cut after ${cutAfter}`);
        if (machine.init.restarts.length === 0) continue;
        assert.ok(cutAfter > 4, `${cutAfter} places`);
        break;
      }
    });
  }
});
