/** A reset that something comes in the way of: damage, a disk that refuses, a power cut anywhere. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ResetOrder } from "../layout/reset-order.ts";
import { boot, statesAndTries } from "./fake-boot.ts";
import { FULL_DATA, type FakeData, type FakeDisk } from "./fake-machine.ts";
import { LOST } from "./fake-recovery.ts";
import { ask, BLANK, codes, used } from "./fake-reset.ts";
import type { ResetRequest } from "./reset-loop.ts";

const WRITTEN: ResetOrder = {
  ...{ id: "0badcafe", kind: "reset", at: "written", keep: [], erase: false, after: "poweroff", cause: "asked for by root" },
  ...{ askedAt: 1, attempts: 0, from: { slot: "a", version: "1" } },
};
/** The power went when the slots had been closed. */
const begun = (): FakeDisk =>
  used({
    order: { ...WRITTEN, at: "ordered" },
    record: { active: "a", slots: { a: { state: "empty" }, b: { state: "empty" } }, recovery: 1 },
    tries: { a: 0, b: 0 },
  });

suite("a reset that cannot be done", () => {
  const GONE = "the image that recovery runs from is damaged: block 7";
  test("leaves everything as it was and says why: recovery is damaged by now", async () => {
    const on = used();
    await boot(on, { ask: ask() });
    const { machine } = await boot(on, { prepare: (m) => void (m.damage["recovery"] = "block 7") });
    assert.deepEqual([machine.init.restarts, on.data], [["the reset is not possible"], FULL_DATA]);
    assert.equal(statesAndTries(on), "a: proven aa 6, proven bb 6");
    const { slot, agent } = await boot(on);
    const [entry] = agent.operations.history();
    assert.deepEqual([slot, entry!.outcome, entry!.reason, on.order], ["a", "failed", GONE, undefined]);
  });

  test("because what is to be kept cannot be read leaves everything as it was", async () => {
    const on = used({ data: { ...FULL_DATA, config: "half" } });
    await boot(on, { ask: ask({ keep: ["config"] }) });
    await boot(on);
    assert.equal((await boot(on)).agent.operations.history()[0]!.reason, "the oem partition cannot be mounted");
    assert.deepEqual([on.data?.persistent, statesAndTries(on)], ["kept", "a: proven aa 6, proven bb 6"]);
  });

  test("because recovery does not start is given up after a few boots, and nothing was wiped", async () => {
    const on = used();
    await boot(on, { ask: ask() });
    const slots: string[] = [];
    for (let round = 0; round < 5 && on.order; round++) {
      const { next: _, ...rest } = on.tries; // the loader took it, and recovery did not get far
      on.tries = rest;
      slots.push((await boot(on, { until: 20_000 })).slot);
    }
    assert.deepEqual([slots, on.order, on.data], [["a", "a", "a", "a"], undefined, FULL_DATA]);
    const { agent } = await boot(on);
    assert.match(agent.operations.history()[0]!.reason!, /^recovery was asked for 3 times/);
    assert.equal(on.tries.next, undefined);
  });

  test("goes on trying once something is wiped, and says so", async () => {
    const on = used({ wipeFails: [new Error("EIO: i/o error"), new Error("EIO: i/o error")] });
    await boot(on, { ask: ask() });
    const { machine } = await boot(on);
    assert.ok(machine.said.includes("alarm: the reset does not go on: making the persistent partition anew: EIO: i/o error"));
    assert.deepEqual([on.data, statesAndTries(on)], [BLANK, "a: trial rr 3, trial rr 3"]);
  });

  test("in slots whose writing fails makes their file system sure first", async () => {
    const on = used({ writeFails: [undefined, new Error("EIO: i/o error")] });
    await boot(on, { ask: ask() });
    const { machine } = await boot(on);
    assert.deepEqual(
      machine.done.filter((line) => line.startsWith("write")),
      ["write a from 0", "write b from 0", "write a from 0", "write b from 0"],
    );
    assert.equal((await boot(on)).slot, "a");
  });

  test("by the recovery that runs, since that is damaged by now, is done by the other one", async () => {
    const on = begun();
    const { machine } = await boot(on, {
      prepare: ({ images }) => void Object.assign(images, { check: async () => await Promise.resolve({ damage: "block 7" }) }),
    });
    assert.deepEqual(machine.init.restarts, ["reset: the image that runs is damaged, and recovery 2 is whole"]);
    assert.equal(on.record.recovery, 2);
    await boot(on);
    assert.deepEqual([(await boot(on)).slot, on.data], ["a", BLANK]);
  });

  test("when both recovery images are damaged by now waits, and says so", async () => {
    const on = begun();
    const { machine, agent } = await boot(on, {
      prepare: (m) => void Object.assign(m.damage, { recovery: "block 7", recovery2: "block 9" }),
    });
    assert.deepEqual([machine.init.restarts, on.order?.at], [[], "ordered"]);
    assert.ok(codes(agent).includes("RESET_FAILS"));
  });

  test("because a slot does not keep what is written to it writes it again", async () => {
    const on = used();
    await boot(on, { ask: ask() });
    const { machine } = await boot(on, {
      prepare: ({ images }) => {
        const { verify } = images;
        let verified = 0;
        const flawed: typeof verify = async (...what) => (verified++ === 1 ? { damage: "block 3" } : await verify(...what));
        Object.assign(images, { verify: flawed });
      },
    });
    assert.equal(machine.done.filter((line) => line.startsWith("write b")).length, 2);
    assert.ok(machine.said.some((line) => line.endsWith("verifying slot b: what was written is not what is read back: block 3")));
    assert.equal((await boot(on)).slot, "a");
  });

  test("by what the record says makes that anew: it is unreadable", async () => {
    const on = used();
    await boot(on, { ask: ask() });
    on.recordUnreadable = true;
    on.places = {};
    on.lost = { a: "it holds no file system", b: "it holds no file system" };
    const { slot } = await boot(on);
    assert.equal(slot, "recovery");
    assert.deepEqual([(await boot(on)).slot, on.data, statesAndTries(on)], ["a", BLANK, "a: proven rr 6, trial rr 3"]);
  });

  test("since the disk does not read the order reads it again", async () => {
    const on = used();
    await boot(on, { ask: ask() });
    const { machine } = await boot(on, {
      prepare: ({ resetDisk }) => {
        const { order } = resetDisk;
        let reads = 0;
        Object.assign(resetDisk, {
          order: async () => (reads++ < 2 ? await Promise.reject(new Error("EIO: i/o error")) : await order()),
        });
      },
    });
    assert.ok(machine.said.includes("alarm: the reset does not go on: EIO: i/o error"));
    assert.deepEqual([(await boot(on)).slot, on.data], ["a", BLANK]);
  });

  test("since its order is gone ends in a restart: a boot without data is of no other use", async () => {
    const on = used();
    await boot(on, { ask: ask() });
    const { machine } = await boot(on, {
      prepare: ({ resetDisk }) => void Object.assign(resetDisk, { order: async () => await Promise.resolve({ is: "none" }) }),
    });
    assert.deepEqual([machine.init.restarts, on.data], [["there is nothing to reset"], FULL_DATA]);
  });

  test("because the image does not start any more has ended: recovery is what it is at any time", async () => {
    const slot = { state: "trial", digest: "rr" } as const;
    const on = used({ order: WRITTEN, record: { active: "a", slots: { a: slot, b: slot }, recovery: 1 }, tries: { a: 0, b: 0 } });
    on.places = { a: "rr", b: "rr" };
    const { machine } = await boot(on);
    assert.deepEqual([on.order?.at, machine.init.restarts, machine.init.powerOffs], ["ended", ["the machine is reset"], []]);
    assert.equal(
      machine.done.some((line) => line.startsWith("write ")),
      false,
    );
    assert.ok((await boot(on)).machine.said.some((line) => line.includes("recovery: ")));
  });
});

suite("power that is cut during a reset, at any change of the disk", () => {
  const healthyAgain = async (on: FakeDisk, where: string): Promise<void> => {
    for (let round = 0; round < 6; round++) {
      const { slot, agent } = await boot(on);
      if (slot === "a" && agent.status().health.is === "healthy" && !on.order) return;
    }
    assert.fail(`${where}: not healthy in slot a`);
  };
  const resets = (on: FakeDisk): number => on.state.operations.filter(({ kind }) => kind === "reset").length;

  for (const [what, request, data, lost] of [
    ["of everything", {}, BLANK, undefined],
    ["that keeps data and identity", { keep: ["data", "identity"] }, { ...FULL_DATA, config: "blank" }, undefined],
    ["with erase", { erase: true }, BLANK, undefined],
    ["of a machine without a state partition", {}, BLANK, LOST],
  ] as const satisfies readonly (readonly [string, Partial<ResetRequest>, FakeData, typeof LOST | undefined])[]) {
    // In the boot that asks for it, in the one of recovery, in the first one after it.
    for (const [during, least] of [
      [0, 2],
      [1, 15],
      [2, 4],
    ] as const) {
      test(`${what}, in boot ${during + 1}: it goes on, and ends as it would have`, async () => {
        for (let cut = 0; ; cut++) {
          const on = used();
          let isCut = false;
          for (let round = 0; round <= during; round++) {
            if (round === 1 && lost) on.lost = lost;
            const options = { ...(round === 0 ? { ask: ask(request) } : {}), ...(round === during ? { cutAfter: cut } : {}) };
            ({ isCut } = await boot(on, options));
          }
          const where = `cut after ${cut}`;
          // Before the order is on the disk it was never given.
          if (during === 0 && !on.order) {
            assert.deepEqual([on.data, on.record.slots.a], [FULL_DATA, { state: "proven", digest: "aa" }], where);
          } else {
            await healthyAgain(on, where);
            assert.deepEqual([on.data, on.places?.["a"], on.places?.["b"]], [data, "rr", "rr"], where);
            assert.deepEqual([on.record.slots.a, resets(on)], [{ state: "proven", digest: "rr" }, 1], where);
          }
          if (isCut) continue;
          assert.ok(cut >= least, `${cut} points`);
          break;
        }
      });
    }
  }
});
