import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { boot, states } from "../fake-boot.ts";
import { disk, rollback, upgrade } from "./fake-upgrades.ts";

suite("a rollback", () => {
  test("boots the other slot, and can be taken back by another one", async () => {
    const on = disk();
    await boot(on, { ask: rollback });
    assert.equal((await boot(on)).slot, "b");
    assert.deepEqual(
      on.state.operations.map(({ outcome, kind }) => `${kind} ${outcome}`),
      ["rollback succeeded"],
    );
    await boot(on, { ask: rollback });
    assert.equal((await boot(on)).slot, "a");
  });

  test("from a slot on trial leaves that one for good", async () => {
    const on = disk();
    await boot(on, { ask: upgrade });
    await boot(on, { ask: rollback, prepare: (m) => void (m.failing["web"] = "not yet") });
    assert.deepEqual([states(on), on.tries.b], ["a: proven aa, trial cc", 0]);
    assert.equal((await boot(on)).slot, "a");
    assert.deepEqual(
      on.state.operations.map(({ outcome, kind }) => `${kind} ${outcome}`),
      ["upgrade cancelled", "rollback succeeded"],
    );
  });

  test("to a damaged slot, or to one that was never healthy, is refused", async () => {
    const on = disk();
    await boot(on, { ask: rollback, prepare: (m) => void (m.damage["b"] = "block 7") });
    assert.deepEqual([on.state.operations[0]!.outcome, on.record.active], ["failed", "a"]);
    for (const state of ["empty", "bad", "trial"] as const) {
      const other = disk();
      other.record = { ...other.record, slots: { ...other.record.slots, b: { state, digest: "bb" } } };
      await boot(other, {
        ask: async (agent, signal) => {
          await assert.rejects(rollback(agent, signal), { code: "NOTHING_TO_ROLL_BACK_TO" });
        },
      });
    }
  });
});

test("a restart into recovery is remembered as one that was asked for, until the boot after it", async () => {
  const on = disk();
  await boot(on, { ask: async (agent) => await agent.operations.restart("recovery") });
  assert.equal((await boot(on)).slot, "recovery");
  assert.equal(on.state.asked?.into, "recovery");
  assert.equal((await boot(on)).slot, "a");
  assert.equal(on.state.asked, undefined);
});
