/** A reset on a machine in memory, boot after boot as the loader's rules choose. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ResetKeep } from "../layout/reset-order.ts";
import { boot, statesAndTries, type BootOptions } from "./fake-boot.ts";
import { FULL_DATA, type FakeData, type FakeDisk, type FakeMachine } from "./fake-machine.ts";
import { OWN } from "./fake-recovery.ts";
import { ALL, ask, BLANK, codes, used } from "./fake-reset.ts";
import { historyText } from "./history-text.ts";
import { file } from "./operations/fake-upgrades.ts";
import type { ResetNews } from "./reset-loop.ts";
import { statusText } from "./status-text.ts";

const said = (machine: FakeMachine): readonly string[] =>
  machine.said.flatMap((line) => /^alarm: reset: (.*)$/.exec(line)?.[1] ?? []);

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
        for await (const _ of agent.operations.upgrade(file("/new.img", { restart: false }), signal)) {
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
        const news = agent.reset.reset(ALL, signal)[Symbol.asyncIterator]();
        await news.next();
        const upgrade = agent.operations.upgrade(file("/new.img", { restart: false }), signal)[Symbol.asyncIterator]();
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
