/** A reset on a machine in memory, boot after boot as the loader's rules choose: whole, and cut anywhere. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ResetKeep, ResetOrder } from "../layout/reset-order.ts";
import type { Agent } from "./agent.ts";
import { boot, statesAndTries, type BootOptions } from "./fake-boot.ts";
import { freshDisk, FULL_DATA, type FakeData, type FakeDisk, type FakeMachine } from "./fake-machine.ts";
import { OWN } from "./fake-recovery.ts";
import { afterFailure, resetPlan, resetSteps, resetStepText } from "./reset.ts";
import type { ResetNews, ResetRequest } from "./reset-loop.ts";
import { historyText } from "./history-text.ts";
import { statusText } from "./status-text.ts";

const ALL: ResetRequest = { keep: [], erase: false, after: "reboot" };
const BLANK: FakeData = { persistent: "blank", config: "blank", keys: "blank", machineId: "blank" };

const used = (more: Partial<FakeDisk> = {}): FakeDisk =>
  freshDisk({ places: { a: "aa", b: "bb" }, images: { recovery: OWN }, data: FULL_DATA, ...more });
const ask =
  (request: Partial<ResetRequest> = {}, news: ResetNews[] = []): NonNullable<BootOptions["ask"]> =>
  async (agent: Agent, signal: AbortSignal) => {
    for await (const one of agent.reset.reset({ ...ALL, ...request }, signal)) news.push(one);
  };
const said = (machine: FakeMachine): readonly string[] =>
  machine.said.flatMap((line) => /^alarm: reset: (.*)$/.exec(line)?.[1] ?? []);
const codes = (agent: Agent): readonly string[] => agent.status().alarms.map(({ code }) => code);

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

suite("a reset", () => {
  test("runs the stages around it: one that fails before it keeps everything as it is", async () => {
    const on = used({ stages: { "before-reset": "no" } });
    const refused = await boot(on, {
      ask: async (agent, signal) => await assert.rejects(ask()(agent, signal), { code: "STAGE_FAILED" }),
    });
    assert.deepEqual([on.order, on.data, refused.machine.init.restarts], [undefined, FULL_DATA, []]);
    const other = used({ stages: { "before-reset": undefined, "after-reset": undefined } });
    const ran = [
      (await boot(other, { ask: ask({ keep: ["config"] }) })).machine,
      (await boot(other)).machine,
      (await boot(other)).machine,
    ];
    assert.deepEqual(
      [...ran, (await boot(other)).machine].map(({ done }) => done.filter((line) => line.startsWith("stage"))),
      [["stage before-reset"], [], ["stage after-reset"], []],
    );
  });

  test("wipes what is not kept, writes both slots from recovery, and the machine is healthy in slot a", async () => {
    const on = used();
    const news: ResetNews[] = [];
    const first = await boot(on, { ask: ask({}, news) });
    assert.deepEqual(news, [
      { now: { text: "verifying recovery, edge 0.9" } },
      { restarting: "a reset was asked for, which recovery does" },
    ]);
    assert.deepEqual([first.slot, on.order?.at, on.tries.next], ["a", "ordered", "recovery"]);
    assert.deepEqual(
      [on.data, statesAndTries(on)],
      [FULL_DATA, "a: proven aa 6, proven bb 6"],
      "nothing is wiped while a slot runs",
    );

    const second = await boot(on);
    assert.deepEqual(
      [second.slot, second.machine.facts.resetting, second.machine.init.restarts],
      ["recovery", true, ["the machine is reset"]],
    );
    assert.deepEqual(said(second.machine), [
      "verifying recovery's own image",
      "taking both slots out of the boot record",
      "making the persistent partition anew",
      "making the oem partition anew",
      "forgetting who this machine is",
      "forgetting the last words of boots that failed",
      "looking at the state partition",
      "writing slot a from recovery's own image",
      "verifying slot a",
      "writing slot b from recovery's own image",
      "verifying slot b",
      "making slot a the active one, and both on trial",
      "making slot a the active one, and both on trial",
      "noting that it is done",
      "leaving recovery",
    ]);
    assert.deepEqual([on.data, statesAndTries(on), on.order?.at], [BLANK, "a: trial rr 3, trial rr 3", "ended"]);
    assert.deepEqual([on.places?.["a"], on.places?.["b"]], ["rr", "rr"]);
    assert.deepEqual(codes(second.agent), []);

    const third = await boot(on);
    assert.deepEqual([third.slot, statesAndTries(on), on.order], ["a", "a: proven rr 6, trial rr 3", undefined]);
    const [entry, ...older] = third.agent.operations.history();
    assert.deepEqual(older, []);
    assert.deepEqual(
      [entry!.kind, entry!.outcome, entry!.cause, entry!.from.slot, entry!.target],
      ["reset", "succeeded", "asked for by root", "a", "this machine (wiped: data, config, identity)"],
    );
    assert.match(historyText([entry!]), /^\S+ \S+ {2}reset[^\n]*: succeeded\n[^]*cause +asked for by root$/m);
    assert.equal(third.agent.status().reset, undefined);
    assert.deepEqual((await boot(on)).agent.operations.history().length, 1, "once");
  });

  const kept = "kept";
  for (const [keep, wanted] of [
    [["data"], { ...BLANK, persistent: kept }],
    [["config"], { ...BLANK, config: kept }],
    [["identity"], { ...BLANK, keys: kept, machineId: kept }],
    [["config", "identity"], { ...BLANK, config: kept, keys: kept, machineId: kept }],
    [["config", "data"], { ...BLANK, config: kept, persistent: kept }],
    [["config", "identity", "data"], FULL_DATA],
  ] as const satisfies readonly (readonly [readonly ResetKeep[], FakeData])[]) {
    test(`that keeps ${keep.join(" and ")} wipes the rest`, async () => {
      const on = used();
      await boot(on, { ask: ask({ keep }) });
      await boot(on);
      assert.deepEqual(on.data, wanted);
      assert.deepEqual([(await boot(on)).slot, statesAndTries(on)], ["a", "a: proven rr 6, trial rr 3"]);
      assert.equal(on.state.operations.length, 1, "the agent's own memory goes in any case");
    });
  }

  test("with erase overwrites each partition before it is made anew", async () => {
    const on = used();
    await boot(on, { ask: ask({ erase: true }) });
    const { machine } = await boot(on);
    assert.deepEqual(
      machine.done.filter((line) => /^(erase|wipe)/.test(line)),
      ["erase persistent", "wipe persistent", "erase oem", "wipe oem"],
    );
  });

  test("that is to end in a machine that is off switches it off", async () => {
    const on = used();
    await boot(on, { ask: ask({ after: "poweroff" }) });
    const { machine } = await boot(on);
    assert.deepEqual([machine.init.powerOffs, machine.init.restarts], [["the machine is reset"], []]);
    assert.equal((await boot(on)).slot, "a");
  });

  test("is asked for in recovery, too: it restarts into itself, since its data is mounted", async () => {
    const on = used();
    on.tries = { ...on.tries, next: "recovery" };
    const { slot, machine } = await boot(on, { ask: ask() });
    assert.deepEqual([slot, machine.init.restarts.length, on.tries.next], ["recovery", 1, "recovery"]);
    assert.equal((await boot(on)).machine.facts.resetting, true);
    const { agent } = await boot(on);
    assert.deepEqual([agent.operations.history()[0]!.from.slot, on.data], ["recovery", BLANK]);
  });

  test("of a machine whose state partition is lost makes that anew, too", async () => {
    const on = used();
    await boot(on, { ask: ask() });
    on.lost = { a: "it holds no file system", b: "it holds no file system" };
    const { machine } = await boot(on);
    assert.ok(machine.done.includes("make store"));
    assert.deepEqual([(await boot(on)).slot, on.data], ["a", BLANK]);
  });

  test("shows what it does, and lets nothing else begin meanwhile", async () => {
    const on = used();
    await boot(on, { ask: ask() });
    let seen = "";
    await boot(on, {
      ask: async (agent, signal) => {
        while (!agent.status().reset?.text.startsWith("writing slot b")) await new Promise((resolve) => setImmediate(resolve));
        seen = statusText(agent.status());
        assert.equal(agent.status().reset!.failures, 0);
        await assert.rejects(agent.operations.restart("recovery"), { code: "OPERATION_RUNNING" });
        await assert.rejects(agent.reset.plan(ALL, signal), { code: "OPERATION_RUNNING" });
      },
    });
    assert.match(seen, /^reset +writing slot b from recovery's own image(, \d+ %)?$/m);
  });
});

suite("a reset is refused", () => {
  const refused = async (on: FakeDisk, code: string, prepare?: BootOptions["prepare"]): Promise<void> => {
    const before = structuredClone({ data: on.data, record: on.record, places: on.places });
    const { machine } = await boot(on, {
      ask: async (agent, signal) => await assert.rejects(ask()(agent, signal), { code }),
      ...(prepare ? { prepare } : {}),
    });
    assert.deepEqual({ data: on.data, record: on.record, places: on.places }, before);
    assert.deepEqual([on.order, on.tries.next, machine.init.restarts], [undefined, undefined, []]);
  };

  test("where recovery is damaged", async () => {
    await refused(used(), "RECOVERY_DAMAGED", (machine) => void (machine.damage["recovery1"] = "block 7"));
  });
  test("where there is no image in recovery", async () => await refused(used({ images: {} }), "IMAGE_UNREADABLE"));
  test("where an operation has work to do", async () => {
    const on = used({ images: { recovery: OWN, "/new.img": { ...OWN, digest: "cc" } } });
    await boot(on, {
      ask: async (agent, signal) => {
        const wish = { source: { is: "file", path: "/new.img" }, recovery: false, restart: false, force: false } as const;
        for await (const _ of agent.operations.upgrade(wish, signal)) {
          await assert.rejects(ask()(agent, signal), { code: "OPERATION_RUNNING" });
          break;
        }
      },
    });
    assert.equal(on.order, undefined);
  });
  test("where an operation has begun while recovery was being verified", async () => {
    const on = used({ images: { recovery: OWN, "/new.img": { ...OWN, digest: "cc" } } });
    let other: Promise<unknown> | undefined;
    await boot(on, {
      ask: async (agent, signal) => {
        const wish = { source: { is: "file", path: "/new.img" }, recovery: false, restart: false, force: false } as const;
        const news = agent.reset.reset(ALL, signal)[Symbol.asyncIterator]();
        await news.next();
        const upgrade = agent.operations.upgrade(wish, signal)[Symbol.asyncIterator]();
        await upgrade.next();
        other = upgrade.return!();
        await assert.rejects(news.next(), { code: "OPERATION_RUNNING" });
      },
    });
    await other;
    assert.deepEqual([on.order, on.data], [undefined, FULL_DATA]);
  });
  test("where it cannot be ordered: the record does not take it", async () => {
    const on = used();
    await boot(on, {
      ask: async (agent, signal) => await assert.rejects(ask()(agent, signal), { code: "RECORD_NOT_STORED" }),
      prepare: (machine) =>
        void Object.assign(machine.record, { change: async () => await Promise.reject(new Error("EIO: i/o error")) }),
    });
    assert.deepEqual([on.order, on.data], [undefined, FULL_DATA]);
  });
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
  const LOST = { a: "it holds no file system", b: "it holds no file system" };
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

suite("the steps of a reset", () => {
  const record = { found: { is: "unreadable", why: "" }, tries: undefined } as const;
  test("begin with what can still be refused, and wipe nothing before the slots are closed", () => {
    for (const keep of [[], ["data"], ["config"], ["identity"], ["config", "identity", "data"]] as const) {
      for (const erase of [true, false]) {
        const names = resetSteps({ kind: "reset", at: "ordered", keep, erase, after: "reboot" }, record).map((step) => step.do);
        assert.deepEqual(names.slice(0, 2), ["check", "close-slots"]);
        assert.deepEqual(names.slice(-4), ["note-written", "open-slots", "end", "leave"]);
      }
    }
  });

  test("that fail are done again, those of the slots from their file system on", () => {
    const steps = resetSteps({ kind: "reset", at: "ordered", keep: [], erase: false, after: "reboot" }, record);
    for (const [index, step] of steps.entries()) {
      const again = steps[afterFailure(steps, index)]!;
      assert.equal(again.do, step.do === "write" || step.do === "verify" ? "prepare-store" : step.do);
      assert.ok(resetStepText(step).length > 5);
    }
  });

  test("are told before, with what goes, what stays, and how long it takes", () => {
    const facts = {
      ...{ machine: { id: "00", hostname: "edge-7" }, image: OWN },
      used: { oem: { used: 1_000_000, size: 100_000_000 }, persistent: undefined },
    };
    const plan = resetPlan({ keep: ["data"], erase: true, after: "poweroff" }, facts);
    assert.deepEqual(
      plan.wipes.map(({ what }) => what),
      ["config", "identity", "history"],
    );
    assert.deepEqual(
      plan.keeps.map(({ what }) => what),
      ["data"],
    );
    assert.equal(plan.bytes, 5 * OWN.size + 100_000_000);
    assert.equal(plan.seconds, 60 + Math.ceil(plan.bytes / 50_000_000));
    assert.deepEqual(
      [plan.steps[0], plan.steps.at(-1)],
      ["verifying recovery, and restarting into it", "switching the machine off"],
    );
    assert.ok(plan.steps.includes("overwriting the oem partition"));
  });
});
