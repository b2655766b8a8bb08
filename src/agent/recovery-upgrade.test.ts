/** Somebody begins an upgrade while recovery works: what was asked for goes first. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SLOTS } from "../layout/slots.ts";
import { boot, statesAndTries } from "./fake-boot.ts";
import type { FakeDisk, FakeMachine } from "./fake-machine.ts";
import { LOST, steps, stranded } from "./fake-recovery.ts";
import { upgrade } from "./operations/fake-upgrades.ts";

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** A boot into recovery, on which somebody begins an upgrade when `prepare` calls `begin`. */
async function bootAndUpgrade(
  on: FakeDisk,
  prepare: (machine: FakeMachine, begin: () => void) => void,
  until = 100_000_000,
): Promise<FakeMachine> {
  const begun = Promise.withResolvers<void>();
  const { machine } = await boot(on, {
    until,
    prepare: (made) => prepare(made, begun.resolve),
    ask: async (agent, signal) => {
      signal.addEventListener("abort", () => begun.resolve());
      await begun.promise;
      await upgrade(agent, signal);
    },
  });
  return machine;
}

/** Before an image is written. */
function holdWrites({ images }: FakeMachine, hold: () => Promise<void>): void {
  const { write } = images;
  Object.assign(images, {
    write: async (...given: Parameters<typeof write>) => {
      await hold();
      return await write(...given);
    },
  });
}

suite("a machine in recovery", () => {
  test("leaves a state partition that has been made anew to whoever begins an upgrade to it", async () => {
    const on = stranded("bad", "bad", { lost: LOST });
    const machine = await bootAndUpgrade(
      on,
      (made, begin) => {
        const { make } = made.slotStore;
        Object.assign(made.slotStore, {
          make: async (...given: Parameters<typeof make>) => {
            await make(...given);
            begin();
            await turns(5);
          },
        });
        holdWrites(made, async () => await turns(200));
      },
      10_000_000,
    );
    assert.equal(machine.done.filter((line) => line === "make store").length, 1);
    assert.ok(!steps(machine).some((line) => line.includes("came to nothing")));
    assert.deepEqual([machine.init.restarts, statesAndTries(on)], [["upgrade to edge 2.0"], "a: trial cc 3, empty - 0"]);
  });

  test("never disturbs an upgrade that somebody asked for, however long it takes", async () => {
    const on = stranded("proven", "proven");
    const held = Promise.withResolvers<void>();
    const { machine } = await boot(on, {
      prepare: (made) => {
        holdWrites(made, async () => await held.promise);
        made.onWait = (uptime) => {
          if (uptime > 300_000) held.resolve();
          return uptime < 400_000;
        };
      },
      ask: upgrade,
    });
    assert.deepEqual(machine.init.restarts, ["upgrade to edge 2.0"]);
    assert.equal(statesAndTries(on), "b: proven aa 0, trial cc 3");
    assert.equal(on.state.recovery, undefined, "it has tried nothing");
    assert.equal((await boot(on)).slot, "b");
  });
});

for (const during of SLOTS) {
  test(`an upgrade that somebody begins while slot ${during} is verified is let alone: no slot is booted or marked for it`, async () => {
    const on = stranded("bad", "bad");
    const aborted: string[] = [];
    const machine = await bootAndUpgrade(on, (made, begin) => {
      const { verify } = made;
      Object.assign(made, {
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
      holdWrites(made, async () => await turns(200));
    });
    assert.deepEqual([machine.init.restarts, aborted], [["upgrade to edge 2.0"], [during]]);
    assert.equal(statesAndTries(on), "a: trial cc 3, bad bb 0");
    assert.equal(on.state.recovery, undefined);
  });
}

test("an upgrade that somebody begins just before a slot has its tries back keeps it from having them", async () => {
  const on = stranded("bad", "bad");
  const machine = await bootAndUpgrade(on, ({ store }, begin) => {
    const kept = store.store.bind(store);
    Object.assign(store, {
      store: async (state: FakeDisk["state"]) => {
        await kept(state);
        if (!state.recovery || state.operation) return;
        begin();
        await turns(20);
      },
    });
  });
  assert.deepEqual(machine.init.restarts, ["upgrade to edge 2.0"]);
  assert.equal(statesAndTries(on), "a: trial cc 3, bad bb 0");
  const changes = machine.done.filter((line) => line === "record" || line === "tries");
  assert.deepEqual(
    changes,
    ["record", "tries", "record"],
    "emptied, granted, activated: what the upgrade does, and nothing else",
  );
});

test("an upgrade that somebody begins just before the state partition is made anew keeps it as it is", async () => {
  const on = stranded("proven", "bad", { lost: { a: "a.img is missing" }, rotten: { bb: "block 8" } });
  const machine = await bootAndUpgrade(on, (made, begin) => {
    const { check } = made.images;
    Object.assign(made.images, {
      check: async (...given: Parameters<typeof check>) => {
        const result = await check(...given);
        if (given[0].is !== "recovery") return result;
        begin();
        await turns(20);
        return result;
      },
    });
    holdWrites(made, async () => await turns(200));
  });
  assert.deepEqual(machine.init.restarts, ["upgrade to edge 2.0"]);
  assert.ok(!machine.done.includes("make store"));
  assert.equal(statesAndTries(on), "b: proven aa 0, trial cc 3");
});
