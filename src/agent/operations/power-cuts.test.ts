/** The power goes at any change of the disk. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { boot, states, type BootOptions } from "../fake-boot.ts";
import type { FakeDisk, FakeMachine } from "../fake-machine.ts";
import { disk, rollback, upgrade } from "./fake-upgrades.ts";

suite("power that goes", () => {
  // Until the operation has ended or nothing more happens; whatever is asked for was asked for once.
  const play = async (ask: NonNullable<BootOptions["ask"]>, wanted: (on: FakeDisk) => boolean): Promise<number> => {
    for (let cutAfter = 0; ; cutAfter++) {
      const on = disk({ config: { a: "aa", b: "bb" } });
      const { machine } = await boot(on, { ask, cutAfter });
      const isCut = machine.init.restarts.length === 0;
      for (let count = 0; count < 6; count++) {
        await boot(on);
        const { slots, active } = on.record;
        assert.ok(slots.a.state === "proven" || slots.b.state === "proven", `cut after ${cutAfter}: something is proven`);
        assert.notEqual(slots[active].state, "empty", `cut after ${cutAfter}`);
        assert.equal(on.config?.[active], slots[active].digest, `cut after ${cutAfter}: its config is made for it`);
      }
      assert.equal(on.state.operation, undefined, `cut after ${cutAfter}: it has ended`);
      // Cut before it was stored: it was never begun.
      assert.ok(
        on.state.operations.length === 0 || wanted(on),
        `cut after ${cutAfter}: ${states(on)} ${JSON.stringify(on.state.operations)}`,
      );
      if (!isCut) return cutAfter;
    }
  };

  test("at any change of an upgrade only delays it", async () => {
    const cuts = await play(upgrade, (on) => states(on) === "b: proven aa, proven cc");
    assert.ok(cuts > 10, `${cuts} places`);
  });

  test("at any change of a rollback only delays it", async () => {
    const cuts = await play(rollback, (on) => on.record.active === "b");
    assert.ok(cuts > 5, `${cuts} places`);
  });

  test("at any change of an upgrade whose image is not healthy leaves the machine on the old slot", async () => {
    for (let cutAfter = 0; cutAfter < 40; cutAfter++) {
      const on = disk();
      await boot(on, { ask: upgrade });
      const sick = (machine: FakeMachine): void => {
        if (machine.facts.slot === "b") machine.failing["web"] = "status 500";
      };
      await boot(on, { prepare: sick, until: 200_000, cutAfter });
      for (let count = 0; count < 5; count++) await boot(on, { prepare: sick, until: 200_000 });
      assert.equal(states(on), "a: proven aa, trial cc", `cut after ${cutAfter}`);
      assert.equal(on.tries.b, 0);
    }
  });
});
