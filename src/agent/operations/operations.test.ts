/** Operations on a machine in memory, boot after boot as the loader's rules choose: whole, cut anywhere, killed anywhere. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError } from "../../core/error.ts";
import { decide } from "../../layout/boot-rules.ts";
import type { ImageSummary } from "../../layout/operation.ts";
import type { SlotName, SlotState } from "../../layout/slots.ts";
import { openAgent, type Agent } from "../agent.ts";
import { newKeyPair } from "../../../tests/support/signing.ts";
import { sha256 } from "../../host/sha256.ts";
import { addKey, firstKeys } from "../../release/change-keys.ts";
import { historyText } from "../history-text.ts";
import type { ReleaseJudgement } from "./ports.ts";
import { fakeMachine, freshDisk, type FakeDisk, type FakeMachine } from "../fake-machine.ts";
import { cutPower, PowerCut } from "../fake-power.ts";
import type { OperationNews } from "./driver.ts";
import type { UpgradeRequest } from "./service.ts";

const NEW: ImageSummary = { name: "edge", version: "2.0", digest: "cc", size: 64_000_000 };
const NEWER: ImageSummary = { name: "edge", version: "3.0", digest: "dd", size: 64_000_000 };
const RELEASE = "registry.example/edge:2.0";
const images = { "/new.img": NEW, "/newer.img": NEWER, "http://x/new.img": NEW, "http://x/newer.img": NEWER, [RELEASE]: NEW };
const file = (path: string, more: Partial<UpgradeRequest> = {}): UpgradeRequest => ({
  ...{ source: { is: "file", path }, recovery: false, restart: true, force: false },
  ...more,
});
const disk = (more: Partial<FakeDisk> = {}): FakeDisk => freshDisk({ images, places: { a: "aa", b: "bb" }, ...more });

interface Boot {
  readonly slot: SlotName | "recovery";
  readonly machine: FakeMachine;
  readonly agent: Agent;
}
let boots = 0;

interface BootOptions {
  /** What somebody asks for, as soon as the agent runs. */
  readonly ask?: (agent: Agent, signal: AbortSignal) => Promise<unknown>;
  /** The power goes after so many changes of the disk. */
  readonly cutAfter?: number;
  /** How long it runs, in milliseconds. */
  readonly until?: number;
  readonly prepare?: (machine: FakeMachine) => void;
}

/** One boot, as the loader's rules choose it. A slot that is half written does not pass the loader's check. */
async function boot(on: FakeDisk, { ask, cutAfter = Infinity, until = 400_000, prepare }: BootOptions = {}): Promise<Boot> {
  const isWhole = (slot: SlotName): boolean => on.places?.[slot] !== "half";
  const whole = { a: isWhole("a"), b: isWhole("b"), recovery1: true, recovery2: true };
  const decided = decide({ record: on.record, tries: on.tries, whole, saves: true });
  on.tries = decided.tries ?? on.tries;
  const image = decided.boots!;
  const slot = image === "a" || image === "b" ? image : "recovery";
  assert.ok(slot === "recovery" || isWhole(slot), "what boots is whole");
  const stop = new AbortController();
  const machine = fakeMachine(on, { id: `boot-${++boots}`, slot, stop });
  machine.onWait = (uptime) => uptime < until;
  cutPower(on, machine, cutAfter, stop);
  prepare?.(machine);
  try {
    const agent = await openAgent(machine);
    const asked = ask?.(agent, stop.signal).catch((error: unknown) => {
      if (!(error instanceof PowerCut) && !stop.signal.aborted) throw error;
    });
    await agent.run(stop.signal);
    await asked;
    return { slot, machine, agent };
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
    return { slot, machine, agent: undefined as unknown as Agent };
  }
}

async function upgrade(agent: Agent, signal: AbortSignal, request = file("/new.img")): Promise<OperationNews[]> {
  const news: OperationNews[] = [];
  for await (const one of agent.operations.upgrade(request, signal)) news.push(one);
  return news;
}
const states = ({ record }: FakeDisk): string =>
  `${record.active}: ${record.slots.a.state} ${record.slots.a.digest ?? "-"}, ${record.slots.b.state} ${record.slots.b.digest ?? "-"}`;

suite("an upgrade", () => {
  test("of a: b is emptied, written, verified, made active, booted, proven, and remembered", async () => {
    const on = disk();
    const first = await boot(on, { ask: upgrade });
    const begun = first.machine.done.indexOf("check /new.img");
    const steps = first.machine.done.slice(begun).filter((line) => !["state", "clock", "seed", "beat", "copies"].includes(line));
    assert.deepEqual(steps, ["check /new.img", "record", "tries", "write b from 0", "verify b", "tries", "record"]);
    assert.deepEqual(first.machine.init.restarts, ["upgrade to edge 2.0"]);
    assert.equal(states(on), "b: proven aa, trial cc");
    assert.equal(on.tries.b, 3);
    const second = await boot(on);
    assert.equal(second.slot, "b");
    assert.equal(states(on), "b: proven aa, proven cc");
    const [entry] = second.agent.operations.history();
    assert.deepEqual(
      [entry!.kind, entry!.outcome, entry!.target, entry!.image.version, entry!.from, entry!.cause],
      ["upgrade", "succeeded", "slot b", "2.0", { slot: "a", version: "1.0" }, "asked for by root"],
    );
    assert.equal(second.agent.status().operation, undefined);
  });

  test("runs the stages around it: the one before it before anything is written, the one after it before the restart", async () => {
    const on = disk({ stages: { "before-upgrade": undefined, "after-upgrade": "it is not as it should be" } });
    const { machine } = await boot(on, { ask: upgrade });
    const steps = machine.done.filter((line) => /^(stage|check|write|record|tries)/.test(line));
    assert.deepEqual(steps.slice(steps.indexOf("stage before-upgrade")), [
      ...[
        "stage before-upgrade",
        "check /new.img",
        "record",
        "tries",
        "write b from 0",
        "tries",
        "record",
        "stage after-upgrade",
      ],
    ]);
    assert.ok(machine.said.includes("alarm: it is not as it should be"));
    assert.deepEqual(machine.init.restarts, ["upgrade to edge 2.0"]);
    assert.equal((await boot(on)).slot, "b");
  });

  test("that a stage refuses changes nothing", async () => {
    const on = disk({ stages: { "before-upgrade": "the database is not stopped" } });
    const before = states(on);
    const { machine, agent } = await boot(on, {
      ask: async (asked, signal) =>
        await assert.rejects(upgrade(asked, signal), { code: "STAGE_FAILED", message: "the database is not stopped" }),
    });
    assert.equal(states(on), before);
    assert.equal(
      machine.done.some((line) => line.startsWith("write") || line.startsWith("check ")),
      false,
    );
    assert.deepEqual(agent.operations.history(), []);
  });

  test("of b, back and forth, goes to a; the same image again is nothing to do", async () => {
    const on = disk();
    await boot(on, { ask: upgrade });
    const second = await boot(on, {
      ask: async (agent, signal) => {
        await assert.rejects(upgrade(agent, signal), { code: "TRIAL_RUNNING" });
      },
    });
    assert.equal(second.slot, "b");
    await boot(on, {
      ask: async (agent, signal) => {
        await assert.rejects(upgrade(agent, signal), { code: "ALREADY_RUNNING" });
        await upgrade(agent, signal, file("/newer.img"));
      },
    });
    const fourth = await boot(on);
    assert.equal(fourth.slot, "a");
    assert.equal(states(on), "a: proven dd, proven cc");
  });

  test("whose health checks fail ends on the old slot, which is the active one then, and says why", async () => {
    const on = disk();
    await boot(on, { ask: upgrade });
    const sick = { prepare: (machine: FakeMachine) => void (machine.failing["web"] = "status 500"), until: 200_000 };
    for (let count = 0; count < 3; count++) assert.equal((await boot(on, sick)).slot, "b");
    const back = await boot(on);
    assert.equal(back.slot, "a");
    assert.equal(states(on), "a: proven aa, trial cc");
    const [entry] = back.agent.operations.history();
    assert.equal(entry!.outcome, "fell back");
    assert.match(entry!.reason!, /web: status 500/);
    assert.match(entry!.log!.text, /journal of boot-/);
  });

  test("that panics before its agent runs ends on the old slot too", async () => {
    const on = disk();
    await boot(on, { ask: upgrade });
    on.tries = { ...on.tries, b: 0 };
    const back = await boot(on);
    assert.deepEqual([back.slot, back.agent.operations.history()[0]!.outcome], ["a", "fell back"]);
    assert.match(back.agent.operations.history()[0]!.reason!, /before its agent had started/);
  });

  test("whose boot files are damaged after it was verified fails, and is not tried again", async () => {
    const on = disk();
    await boot(on, { ask: upgrade });
    on.places = { ...on.places, b: "half" };
    const back = await boot(on);
    assert.deepEqual([back.slot, back.agent.operations.history()[0]!.outcome, on.tries.b], ["a", "failed", 0]);
    assert.equal(states(on), "a: proven aa, bad cc");
  });

  test("that is only staged waits for a restart, whoever restarts, and can be taken back", async () => {
    const on = disk();
    const news: OperationNews[] = [];
    const first = await boot(on, {
      ask: async (agent, signal) => void news.push(...(await upgrade(agent, signal, file("/new.img", { restart: false })))),
    });
    assert.deepEqual(first.machine.init.restarts, []);
    assert.deepEqual((news.at(-1) as { now: { at: string } }).now.at, "flipped");
    const other = structuredClone({ ...on, images: {} }) as FakeDisk;
    assert.equal((await boot(on)).slot, "b");
    assert.equal(on.state.operations[0]!.outcome, "succeeded");

    other.images = images;
    other.tries = { ...other.tries, next: "a" };
    const cancelled = await boot(other, { ask: async (agent) => await agent.operations.cancel() });
    assert.equal(cancelled.slot, "a", "asked for once");
    assert.equal(states(other), "a: proven aa, empty -");
    assert.equal(other.state.operations[0]!.outcome, "cancelled");
  });

  test("that is staged is replaced by the next one", async () => {
    const on = disk();
    await boot(on, {
      ask: async (agent, signal) => {
        await upgrade(agent, signal, file("/new.img", { restart: false }));
        await upgrade(agent, signal, file("/newer.img"));
      },
    });
    assert.deepEqual(
      on.state.operations.map(({ outcome }) => outcome),
      ["replaced"],
    );
    await boot(on);
    assert.equal(states(on), "b: proven aa, proven dd");
  });

  test("a damaged source changes nothing", async () => {
    const on = disk();
    const before = states(on);
    const { machine } = await boot(on, {
      prepare: (m) => void (m.damage["/new.img"] = "vmlinuz is not the file of the manifest"),
      ask: async (agent, signal) => {
        const news = await upgrade(agent, signal);
        assert.match(JSON.stringify(news.at(-1)), /the image is damaged: vmlinuz/);
      },
    });
    assert.equal(states(on), before);
    assert.ok(!machine.done.some((line) => line.startsWith("write")));
  });

  test("what reads back wrong is never booted", async () => {
    const on = disk();
    await boot(on, { prepare: (m) => void (m.damage["b"] = "block 7 is not what it was"), ask: upgrade });
    assert.equal(states(on), "a: proven aa, empty -");
    assert.equal(on.state.operations[0]!.outcome, "failed");
    assert.equal((await boot(on)).slot, "a");
  });

  test("a line that is down is tried again from where it was, and an error of the disk is not", async () => {
    const on = disk({ writeFails: [new AppError("SOURCE_UNREACHABLE", "no answer"), undefined] });
    const first = await boot(on, {
      ask: async (agent, signal) => await upgrade(agent, signal, file("", { source: { is: "url", url: "http://x/new.img" } })),
    });
    assert.deepEqual(first.machine.init.restarts, ["upgrade to edge 2.0"]);
    const broken = disk({ writeFails: [Object.assign(new Error("EIO: i/o error, write"), { code: "EIO" })] });
    await boot(broken, { ask: upgrade });
    assert.equal(states(broken), "a: proven aa, empty -");
    assert.deepEqual(
      [broken.state.operations[0]!.outcome, broken.state.operations[0]!.reason],
      ["failed", "EIO: i/o error, write"],
    );
  });

  test("that is cancelled says nothing of the one that comes after it, which is written from its start", async () => {
    const on = disk();
    const url = (name: string) => file("", { source: { is: "url", url: `http://x/${name}.img` } });
    const { machine } = await boot(on, {
      prepare: ({ images: work }) => {
        const write = work.write;
        const slow: typeof write = async (job, told, signal) => {
          if (job.image.digest !== NEW.digest) return await write(job, told, signal);
          while (on.state.operation?.kind !== "upgrade" || on.state.operation.image.digest !== NEWER.digest)
            await new Promise((resolve) => setImmediate(resolve));
          told({ written: 60_000_000 }); // a line that was on its way
          throw signal.reason;
        };
        Object.assign(work, { write: slow });
      },
      ask: async (agent, signal) => {
        for await (const news of agent.operations.upgrade(url("new"), signal)) {
          if ("now" in news && news.now.at === "writing") break;
        }
        await agent.operations.cancel();
        await upgrade(agent, signal, url("newer"));
      },
    });
    assert.ok(machine.done.includes("write b from 0"), machine.done.join("; "));
    assert.equal(states(on), "b: proven aa, trial dd");
  });

  test("that is cancelled while it is made the active one is taken back all the same", async () => {
    const on = disk();
    await boot(on, {
      prepare: ({ record }) => {
        const change = record.change.bind(record);
        Object.assign(record, {
          change: async (...given: Parameters<typeof change>) => {
            for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
            return await change(...given);
          },
        });
      },
      ask: async (agent, signal) => {
        for await (const news of agent.operations.upgrade(file("/new.img"), signal)) {
          if ("now" in news && news.now.at === "flipping") break;
        }
        assert.equal((await agent.operations.cancel()).outcome, "cancelled");
      },
    });
    assert.equal(states(on), "a: proven aa, empty -");
  });

  test("that is staged is not forgotten for one of recovery, which has to wait", async () => {
    const on = disk();
    await boot(on, {
      ask: async (agent, signal) => {
        await upgrade(agent, signal, file("/new.img", { restart: false }));
        await assert.rejects(upgrade(agent, signal, file("/newer.img", { recovery: true })), { code: "OPERATION_RUNNING" });
      },
    });
    assert.equal(on.state.operation?.at, "flipped");
  });

  test("a second one is told which one runs and how far it is", async () => {
    const on = disk();
    await boot(on, {
      prepare: (machine) => {
        const { write } = machine.images;
        Object.assign(machine.images, {
          write: async (...given: Parameters<typeof write>) => {
            given[1]({ written: 32_000_000 });
            await new Promise<void>((_, reject) => given[2].addEventListener("abort", () => reject(given[2].reason as Error)));
          },
        });
      },
      ask: async (agent, signal) => {
        const stop = new AbortController();
        for await (const news of agent.operations.upgrade(file("/new.img"), stop.signal)) {
          if ("now" in news && news.now.percent === 50) break;
        }
        const refused = { code: "OPERATION_RUNNING", message: /upgrade to edge 2\.0: writing slot b, 50 %/ };
        await assert.rejects(upgrade(agent, signal, file("/newer.img")), refused);
        await assert.rejects(agent.operations.restart(undefined), refused);
        assert.equal((await agent.operations.cancel()).outcome, "cancelled");
      },
    });
    assert.equal(states(on), "a: proven aa, empty -");
  });

  for (const [what, request, change, code] of [
    ["an image that is larger than the slot", file("/new.img"), { capacity: 1000 }, "IMAGE_TOO_LARGE"],
    ["an image that is not there", file("/nowhere.img"), {}, "IMAGE_UNREADABLE"],
    ["an upgrade while the record is unreadable", file("/new.img"), { recordUnreadable: true }, "RECORD_UNREADABLE"],
  ] as const) {
    test(`${what} is refused before anything changes`, async () => {
      const on = disk(change);
      const { machine } = await boot(on, {
        until: 3500,
        ask: async (agent, signal) => {
          await assert.rejects(upgrade(agent, signal, request), { code });
        },
      });
      assert.ok(!machine.done.some((line) => /write|record/.test(line)), machine.done.join());
    });
  }
});

test("from recovery, the slot that is of no use is written, and of two good ones the passive one", async () => {
  for (const [a, b, target] of [
    ["bad", "proven", "a"],
    ["proven", "empty", "b"],
    ["proven", "proven", "b"],
    ["bad", "bad", "a"],
  ] as const satisfies (readonly [SlotState, SlotState, SlotName])[]) {
    const on = disk({ tries: { a: 0, b: 0, next: "recovery" } });
    on.record = { active: "a", slots: { a: { state: a, digest: "aa" }, b: { state: b, digest: "bb" } }, recovery: 1 };
    const { slot, machine } = await boot(on, { ask: upgrade });
    assert.equal(slot, "recovery");
    assert.ok(machine.done.includes(`write ${target} from 0`), `${a} ${b}`);
    const after = await boot(on);
    assert.deepEqual([after.slot, on.record.slots[target].state], [target, "proven"]);
  }
});

suite("a rollback", () => {
  const rollback = async (agent: Agent, signal: AbortSignal): Promise<void> => {
    for await (const _ of agent.operations.rollback(true, signal));
  };
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

test("recovery gets an image in the file that is not in use, and is switched to it", async () => {
  const on = disk();
  const request = file("/new.img", { recovery: true });
  const { machine } = await boot(on, { ask: async (agent, signal) => await upgrade(agent, signal, request) });
  assert.ok(machine.done.includes("write recovery2 from 0"));
  assert.deepEqual([on.record.recovery, machine.init.restarts], [2, []]);
  await boot(on, { ask: async (agent, signal) => await upgrade(agent, signal, request) });
  assert.equal(on.record.recovery, 1);
  assert.equal(states(on), "a: proven aa, proven bb");
});

test("a restart into recovery is remembered as one that was asked for, until the boot after it", async () => {
  const on = disk();
  await boot(on, { ask: async (agent) => await agent.operations.restart("recovery") });
  assert.equal((await boot(on)).slot, "recovery");
  assert.equal(on.state.asked?.into, "recovery");
  assert.equal((await boot(on)).slot, "a");
  assert.equal(on.state.asked, undefined);
});

suite("an upgrade with a machine config", () => {
  const withConfig = (more: Partial<FakeDisk> = {}): FakeDisk => disk({ config: { a: "aa", b: "bb" }, ...more });
  const refused = async (agent: Agent, signal: AbortSignal): Promise<void> =>
    await assert.rejects(upgrade(agent, signal), { code: "CONFIG_UNSUPPORTED" });

  test("takes it along once the image is whole, and before the slot can boot", async () => {
    const on = withConfig();
    const { machine } = await boot(on, { ask: upgrade });
    const steps = machine.done.slice(machine.done.indexOf("verify b")).filter((line) => line !== "state" && line !== "copies");
    assert.deepEqual(steps.slice(0, 4), ["verify b", "take config along to b", "tries", "record"]);
    assert.deepEqual(on.config, { a: "aa", b: "cc" });
  });

  test("is refused before anything is written where the image does not know it", async () => {
    const on = withConfig({ tells: { machineConfig: { users: "name" } } });
    const { machine } = await boot(on, { ask: refused });
    assert.deepEqual([states(on), on.places, on.state.operations], ["a: proven aa, proven bb", { a: "aa", b: "bb" }, []]);
    assert.ok(!machine.done.some((line) => line.startsWith("write")));
  });

  test("is refused before the slot can boot where the image cannot do it: what runs, and its config, stay", async () => {
    const on = withConfig({ refusing: ["cc"], tells: { machineConfig: { hostname: "" } } });
    await boot(on, { ask: upgrade });
    assert.equal(states(on), "a: proven aa, empty -");
    assert.deepEqual(on.config, { a: "aa", b: "bb" });
    const [entry] = on.state.operations;
    assert.deepEqual([entry!.outcome, entry!.code, entry!.hint], ["failed", "CONFIG_UNSUPPORTED", "Apply another one first."]);
    assert.equal((await boot(on)).slot, "a");
  });

  test("to an image that the slot has already takes today's config along", async () => {
    const on = withConfig({ config: { a: "aa", b: "an older one" } });
    on.record = { ...on.record, slots: { ...on.record.slots, b: { state: "proven", digest: "cc" } } };
    on.places = { a: "aa", b: "cc" };
    await boot(on, { ask: upgrade });
    assert.deepEqual(on.config, { a: "aa", b: "cc" });
  });

  test("waits while something else works on it", async () => {
    const on = withConfig();
    let busy = 2;
    const prepare = ({ machineConfig }: FakeMachine): void => {
      const { work } = machineConfig;
      Object.assign(machineConfig, {
        work: async (...given: Parameters<typeof work>) => {
          if (given[0].do === "take-along" && busy-- > 0) throw new AppError("CONFIG_BUSY", "it is being applied");
          return await work(...given);
        },
      });
    };
    await boot(on, { ask: upgrade, prepare });
    assert.equal(states(on), "b: proven aa, trial cc");
  });

  test("is none of a rollback, which goes back to the slot's own, and none of what recovery installs", async () => {
    const on = withConfig({ refusing: ["aa", "bb", "cc"], tells: { machineConfig: {} } });
    const { machine } = await boot(on, {
      ask: async (agent, signal) => {
        for await (const _ of agent.operations.rollback(true, signal));
      },
    });
    assert.equal(states(on), "b: proven aa, proven bb");
    assert.ok(!machine.done.includes("take config along to b"));
    await boot(on, { ask: async (agent) => await agent.operations.restart("recovery") });
    const recovery = await boot(on, { ask: upgrade });
    assert.equal(recovery.slot, "recovery");
    assert.ok(recovery.machine.done.some((line) => line.startsWith("write")));
    assert.ok(!recovery.machine.done.some((line) => line.startsWith("take config along")));
  });
});

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
    const ask = async (agent: Agent, signal: AbortSignal): Promise<void> => {
      for await (const _ of agent.operations.rollback(true, signal));
    };
    const cuts = await play(ask, (on) => on.record.active === "b");
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

suite("a release from a registry", () => {
  const [key, next] = [newKeyPair(), newKeyPair()];
  const trusted = firstKeys([key.publicKey], sha256);
  const rotated = addKey(trusted, next.publicKey, sha256);
  const asked = (more: Partial<UpgradeRequest> = {}): UpgradeRequest => ({
    ...{ source: { is: "registry", reference: RELEASE }, recovery: false, restart: true, force: false },
    ...more,
  });
  const from = (more: Partial<FakeDisk> = {}): FakeDisk =>
    disk({ trusted, release: () => ({ created: 1_700_000_500, signedBy: "k", keys: rotated }), ...more });

  test("is written by its digest, its keys are kept before it can boot, and what came is remembered", async () => {
    const on = from();
    const first = await boot(on, { ask: async (agent, signal) => await upgrade(agent, signal, asked()) });
    const steps = first.machine.done.filter((line) => /^(write|verify b|trust|record|tries)/.test(line));
    assert.deepEqual(steps.slice(-5), ["write b from 0", "verify b", "trust", "tries", "record"]);
    assert.equal(on.trusted!.epoch, 2);
    const { operation } = on.state;
    assert.deepEqual(operation?.kind === "upgrade" && operation.source, {
      is: "registry",
      reference: `${RELEASE}@sha256:cc`,
    });
    const second = await boot(on);
    const [entry] = second.agent.operations.history();
    assert.deepEqual(
      [entry!.outcome, entry!.way, entry!.downloaded],
      ["succeeded", "the whole image", { bytes: NEW.size, of: NEW.size }],
    );
    assert.match(historyText([entry!]), /by +the whole image\n +bytes +downloaded 64\.0 MB of 64\.0 MB/);
    assert.deepEqual(on.state.released?.b, { digest: "cc", created: 1_700_000_500 });
  });

  test("is judged by what runs, and when that release was made, by the keys, and by what somebody says", async () => {
    const judged: ReleaseJudgement[] = [];
    const on = from({
      release: (judgement) => {
        judged.push(judgement);
        return { created: 1_700_000_500 };
      },
    });
    on.state = { ...on.state, released: { a: { digest: "aa", created: 77 } } };
    await boot(on, {
      ask: async (agent, signal) => {
        const stop = new AbortController();
        await agent.operations.plan(asked({ told: ["older"] }), stop.signal);
        await upgrade(agent, signal, asked());
      },
    });
    assert.deepEqual(judged[0]!.running, { name: "test", version: "1.0", created: 77 });
    assert.deepEqual(
      [judged[0]!.told, judged[1]!.told, judged[0]!.trusted?.epoch, judged[0]!.clockIsSet],
      [["older"], [], 1, true],
    );
  });

  test("is the only thing that a machine with keys takes; recovery's own image is its own", async () => {
    const on = from();
    await boot(on, {
      ask: async (agent, signal) => {
        for (const source of [
          { is: "file", path: "/new.img" },
          { is: "url", url: "http://x/new.img" },
        ] as const) {
          await assert.rejects(upgrade(agent, signal, asked({ source })), { code: "RELEASE_UNSIGNED" });
          await assert.rejects(upgrade(agent, signal, asked({ source, recovery: true })), { code: "RELEASE_UNSIGNED" });
        }
      },
    });
    assert.equal(states(on), "a: proven aa, proven bb");
  });

  test("is not taken while nobody knows the keys, and says so", async () => {
    const on = from({ trustUnknown: true });
    await boot(on, {
      ask: async (agent, signal) => await assert.rejects(upgrade(agent, signal, asked()), { code: "TRUST_UNKNOWN" }),
    });
    assert.equal(states(on), "a: proven aa, proven bb");
  });

  test("whose keys cannot be kept does not become active", async () => {
    const on = from();
    await boot(on, {
      prepare: (machine) => {
        Object.assign(machine.trust, {
          keep: async () => await Promise.reject(new AppError("TRUST_NOT_STORED", "no space left on device")),
        });
      },
      ask: async (agent, signal) => await upgrade(agent, signal, asked()),
    });
    assert.equal(states(on), "a: proven aa, empty -");
    assert.match(on.state.operations.at(-1)!.reason!, /no space left/);
  });

  test("over a line that is down is tried again from where it was, and what came before counts", async () => {
    const on = from({ writeFails: [new AppError("REGISTRY_UNREACHABLE", "it is away"), undefined] });
    await boot(on, { ask: async (agent, signal) => await upgrade(agent, signal, asked()) });
    const second = await boot(on);
    const [entry] = second.agent.operations.history();
    assert.deepEqual([entry!.outcome, entry!.downloaded!.bytes], ["succeeded", NEW.size]);
  });

  test("with a cut at any change of the disk is only late, and never boots with keys that were not kept", async () => {
    for (let cut = 1; cut < 40; cut++) {
      const on = from();
      let asks = 0;
      for (let count = 0; count < 6; count++) {
        const done = on.state.operations.at(-1)?.outcome;
        if (done === "succeeded") break;
        const { slot } = await boot(on, {
          cutAfter: count === 0 ? cut : Infinity,
          ask: async (agent, signal) => {
            if (agent.status().operation || agent.operations.history().length > 0 || asks++ > 2) return;
            if (agent.status().running === "a") await upgrade(agent, signal, asked());
          },
        });
        if (slot === "b") assert.equal(on.trusted!.epoch, 2, `cut after ${cut}`);
      }
      assert.equal(states(on), "b: proven aa, proven cc", `cut after ${cut}`);
    }
  });
});
