/** The state partition is lost: recovery makes it anew, and never where that could cost an image. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SLOTS, type SlotName } from "../layout/slots.ts";
import { boot, statesAndTries } from "./fake-boot.ts";
import { LOST, OWN, ROTTEN, steps, stranded, written } from "./fake-recovery.ts";

suite("a machine in recovery", () => {
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
      assert.deepEqual([second.slot, statesAndTries(on)], ["a", "a: proven rr 6, empty - 0"]);
      assert.deepEqual([on.state.recovery, on.state.operation], [undefined, undefined]);
      const [entry] = second.agent.operations.history();
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
      assert.equal(statesAndTries(on), "a: bad aa 0, bad bb 0");
    }
    assert.ok(steps(second.machine).some((line) => /^that came to nothing: the image of .* does not fit/.test(line)));
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
});
