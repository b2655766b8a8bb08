/** What an agent makes of its state and of a boot record that are damaged, newer, or not there. */
import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openStateStore } from "../host/state-store.ts";
import { AGENT_STATE_SIZE, encodeAgentState } from "../layout/agent-state.ts";
import { encodeCheckedText } from "../layout/checked-text.ts";
import { boot } from "./fake-boot.ts";
import { freshDisk } from "./fake-machine.ts";

test("what is wrong with what was stored is said, and the agent works", async () => {
  const disk = freshDisk();
  const { agent } = await boot(disk, {
    until: 45_000,
    prepare: (m) => void Object.assign(m.store, { problems: ["a copy of the state is damaged"] }),
  });
  assert.deepEqual(
    agent.status().alarms.map(({ message }) => message),
    ["a copy of the state is damaged"],
  );
  assert.equal(agent.status().health.is, "healthy");
});

/** What lies on the oem partition when the agent starts; of `sound` its two files, the second one the newer. */
interface BadState {
  readonly what: string;
  readonly files: (sound: readonly [Buffer, Buffer]) => readonly [Uint8Array | "folder", Uint8Array | "folder"];
  readonly says: RegExp;
  /** Boots that are remembered besides this one. */
  readonly remembered: number;
  /** Nothing of it is changed. */
  readonly leftAlone?: boolean;
}
const flipped = (bytes: Buffer, at: number): Buffer => {
  const changed = Buffer.from(bytes);
  changed[at]! ^= 0x10;
  return changed;
};
const NEWER = new Uint8Array(AGENT_STATE_SIZE);
NEWER.set(encodeCheckedText("petrify-state 2", "2 9\nsomething else\n"));
const BAD_STATES: readonly BadState[] = [
  {
    what: "the newer file damaged",
    files: ([one, two]) => [one, flipped(two, 60)],
    ...{ says: /is damaged: the other one is used/, remembered: 1 },
  },
  {
    what: "the older file damaged",
    files: ([one, two]) => [flipped(one, 0), two],
    ...{ says: /is damaged: the other one is used/, remembered: 2 },
  },
  {
    what: "both files damaged",
    files: ([one, two]) => [flipped(one, 20), flipped(two, 44)],
    ...{ says: /is damaged: the history of this machine starts anew/, remembered: 0 },
  },
  {
    what: "both files cut short",
    files: ([one, two]) => [one.subarray(0, 100), two.subarray(0, 0)],
    ...{ says: /is damaged: the history of this machine starts anew/, remembered: 0 },
  },
  {
    what: "folders in place of its files",
    files: () => ["folder", "folder"],
    ...{ says: /the state of the agent cannot be read: EISDIR/, remembered: 0 },
  },
  {
    what: "one file of newer software",
    files: ([one]) => [one, NEWER],
    ...{ says: /was written by newer software: it is left alone/, remembered: 1, leftAlone: true },
  },
  {
    what: "both files of newer software",
    files: () => [NEWER, NEWER],
    ...{ says: /was written by newer software: it is left alone/, remembered: 0, leftAlone: true },
  },
];

suite("an agent that finds its state to be", () => {
  for (const { what, files, says, remembered, leftAlone } of BAD_STATES) {
    test(`${what}: starts, says so, and loses nothing that lies elsewhere`, async () => {
      await using folder = await mkdtempDisposable("/dev/shm/petrify-state-");
      const path = (number: number): string => join(folder.path, `state-${number}`);
      const sound = [1, 2].map((count) => {
        const before = Array.from({ length: count }, (_, index) => ({
          ...{ id: `before-${index}`, slot: "a" as const, version: "1.0", at: index, healthy: true },
          end: { how: "stopped" as const, reason: "it was stopped" },
        }));
        return Buffer.from(encodeAgentState({ since: 1, boots: before, failedUnits: [], scrubs: {}, operations: [] }, count));
      }) as [Buffer, Buffer];
      const found = files(sound);
      for (const [index, content] of found.entries()) {
        if (content === "folder") await mkdir(path(index + 1));
        else await writeFile(path(index + 1), content);
      }

      const disk = freshDisk();
      const { record } = disk;
      const store = await openStateStore(folder.path);
      const { slot, agent } = await boot(disk, {
        until: 45_000,
        prepare: (m) => void Object.assign(m, { store }),
      });
      const { health, alarms, role, state } = agent.status();
      assert.deepEqual([slot, health.is, role, state], ["a", "healthy", "active", "proven"]);
      assert.match(alarms.map(({ message }) => message).join("\n"), says);
      assert.equal(store.found.boots.length, remembered);
      assert.deepEqual([disk.record, disk.tries], [record, { a: 6, b: 6 }], "the record is another file");
      if (found.includes("folder")) return;
      if (leftAlone) {
        for (const [index, content] of found.entries()) assert.deepEqual(await readFile(path(index + 1)), Buffer.from(content));
        return;
      }
      const again = await openStateStore(folder.path);
      assert.deepEqual([again.problems, again.found.boots.length], [[], remembered + 1], "both files are whole again");
    });
  }
});

suite("an unreadable boot record", () => {
  test("is made anew once the system is healthy, and what runs is proven", async () => {
    const disk = freshDisk({ recordUnreadable: true });
    const { agent } = await boot(disk, { until: 60_000 });
    assert.deepEqual([disk.recordUnreadable, disk.record.active, disk.record.slots.a.state], [false, "a", "proven"]);
    assert.deepEqual(agent.status().alarms, []);
  });
  test("is an alarm, and no reason to restart, while it is not", async () => {
    const disk = freshDisk({ recordUnreadable: true });
    const { agent, machine } = await boot(disk, {
      until: 900_000,
      prepare: (m) => void (m.failing["web"] = "x"),
    });
    assert.equal(disk.recordUnreadable, true);
    assert.deepEqual(machine.init.restarts, []);
    assert.deepEqual(
      agent.status().alarms.map(({ code }) => code),
      ["RECORD_UNREADABLE", "UNHEALTHY"],
    );
  });
});
