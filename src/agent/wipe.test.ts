import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { boot, type BootOptions } from "./fake-boot.ts";
import { FULL_DATA } from "./fake-machine.ts";
import { used } from "./fake-reset.ts";

suite("a machine that is wiped", () => {
  const wipe: NonNullable<BootOptions["ask"]> = async (agent, signal) => {
    for await (const _ of agent.reset.wipe(signal));
  };

  test("overwrites what is somebody's first, then everything, and is off", async () => {
    const on = used();
    const first = await boot(on, { ask: wipe });
    assert.deepEqual(
      [on.order?.kind, on.data, first.machine.init.restarts],
      ["wipe", FULL_DATA, ["a wipe was asked for, which recovery does"]],
    );
    const { machine } = await boot(on);
    assert.deepEqual(
      machine.done.filter((line) => /^(erase|write|wipe|order)/.test(line)),
      ["erase persistent", "erase oem", "erase state", "erase rest"],
    );
    assert.equal(on.isErased, true);
  });

  test("does nothing else meanwhile: what starts programs would read what is overwritten", async () => {
    const on = used();
    await boot(on, { ask: wipe });
    let checks = 0;
    let during = -1;
    await boot(on, {
      prepare: (machine) => {
        const { check, resetDisk, wait } = machine;
        Object.assign(machine, {
          check: async (...what: Parameters<typeof check>) => {
            checks++;
            return await check(...what);
          },
        });
        const { eraseRest } = resetDisk;
        Object.assign(resetDisk, {
          eraseRest: async (...what: Parameters<typeof eraseRest>) => {
            const before = checks;
            for (let round = 0; round < 20; round++) await wait(5000, new AbortController().signal);
            during = checks - before;
            await eraseRest(...what);
          },
        });
      },
    });
    assert.deepEqual([during, on.isErased], [0, true]);
  });

  test("goes on with it after a power cut, until nothing boots any more", async () => {
    for (let cut = 0; ; cut++) {
      const on = used();
      await boot(on, { ask: wipe });
      const { isCut } = await boot(on, { cutAfter: cut });
      for (let round = 0; round < 4 && !on.isErased; round++) await boot(on);
      assert.deepEqual([on.isErased, on.data?.persistent, on.data?.config], [true, "half", "half"], `cut after ${cut}`);
      if (!isCut) return assert.ok(cut > 5);
    }
  });

  test("is not where recovery is damaged", async () => {
    const on = used();
    await boot(on, {
      ask: async (agent, signal) => await assert.rejects(wipe(agent, signal), { code: "RECOVERY_DAMAGED" }),
      prepare: (machine) => void (machine.damage["recovery1"] = "block 7"),
    });
    assert.equal(on.order, undefined);
  });
});
