import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { BootTarget } from "../layout/slots.ts";
import { openAgent } from "./agent.ts";
import { boot } from "./fake-boot.ts";
import { fakeMachine, freshDisk, type FakeDisk } from "./fake-machine.ts";

suite("a slot that ends again and again, just after its agent has started", () => {
  /** The power goes before a verification has come anywhere. */
  const cut = async (disk: FakeDisk): Promise<BootTarget> => {
    const { slot } = await boot(disk, {
      prepare: (m) => {
        Object.assign(m, { verify: async () => await new Promise<never>(() => {}) });
        m.onWait = () => {
          m.store.store = async () => await Promise.resolve();
          return false;
        };
      },
    });
    return slot;
  };
  test("is left for the other one, if that is proven", async () => {
    const disk = freshDisk();
    const slots: BootTarget[] = [];
    while (slots.length < 12 && slots.at(-1) !== "b") slots.push(await cut(disk));
    assert.equal(slots.at(-1), "b");
    assert.ok(slots.length <= 10, slots.join());
  });
  test("is not left when there is nothing better", async () => {
    const disk = freshDisk();
    disk.record = { ...disk.record, slots: { ...disk.record.slots, b: { state: "empty" } } };
    for (let count = 0; count < 12; count++) assert.equal(await cut(disk), "a");
  });
  test("has its tries back once it is found whole", async () => {
    const disk = freshDisk();
    for (let count = 0; count < 4; count++) assert.equal(await cut(disk), "a");
    const { slot, machine } = await boot(disk, { until: 60_000 });
    assert.equal(slot, "a");
    assert.ok(machine.done.includes("verify a from 0"));
    assert.deepEqual(disk.tries, { a: 6, b: 6 });
  });
});

test("every image is verified once a month, each time only when nobody else wants the disk, and a machine that is damaged says so from then on", async () => {
  const disk = freshDisk();
  const day = 24 * 3600;
  const began = disk.clock;
  const verified: string[] = [];
  let alarms: readonly string[] = [];
  for (let weeks = 0; weeks < 12; weeks++) {
    const { agent } = await boot(disk, {
      until: 60_000,
      prepare: (m) => {
        const { verify } = m;
        Object.assign(m, {
          verify: async (...[todo, ...more]: Parameters<typeof verify>) => {
            verified.push(`${Math.floor((disk.clock - began) / day)} ${todo.image} ${todo.priority}`);
            return await verify(todo, ...more);
          },
        });
        if (weeks === 10) m.damage["recovery"] = "block 3";
      },
    });
    alarms = agent.status().alarms.map(({ message }) => message);
    disk.clock = began + (weeks + 1) * 7 * day;
  }
  assert.deepEqual(
    verified,
    [35, 70].flatMap((at) => [`${at} a idle`, `${at} b idle`, `${at} recovery idle`]),
  );
  assert.deepEqual(alarms, ["the image in recovery is damaged: block 3"]);
});

test("a slot that was found whole is not verified once more because the clock was set back meanwhile", async () => {
  const disk = freshDisk();
  for (let count = 0; count < 3; count++) {
    await boot(disk, {
      prepare: (m) => {
        // The power goes: what the agent does after that is lost.
        m.onWait = () => {
          m.store.store = async () => await Promise.resolve();
          return false;
        };
      },
    });
  }
  const { machine } = await boot(disk, {
    until: 120_000,
    prepare: (m, stop) => {
      const { verify } = m;
      disk.clock += 7200; // of hardware that is set to local time
      Object.assign(m, {
        verify: async (...args: Parameters<typeof verify>) => {
          disk.clock -= 7200; // and set right by the network
          if (m.done.includes("verify a from 0")) {
            stop();
            m.done.push("verify once more");
            throw new Error("it is whole");
          }
          return await verify(...args);
        },
      });
    },
  });
  assert.deepEqual(
    machine.done.filter((line) => line.startsWith("verify")),
    ["verify a from 0"],
  );
});

test("a scrub that is asked for reports each image, and what it found", async () => {
  const disk = freshDisk();
  const stop = new AbortController();
  const machine = fakeMachine(disk, { id: "x", stop });
  machine.damage["b"] = "block 3";
  const agent = await openAgent(machine);
  const events = await Array.fromAsync(agent.scrub(["a", "b", "recovery"], stop.signal));
  assert.deepEqual(
    events.filter(({ result }) => result),
    [
      { image: "a", result: {} },
      { image: "b", result: { damage: "block 3" } },
      { image: "recovery", result: {} },
    ],
  );
  assert.equal(disk.record.slots.b.state, "bad");
  assert.deepEqual(disk.tries, { a: 6, b: 0 });
  assert.equal(agent.status().slots.b.scrub!.damage, "block 3");
});
