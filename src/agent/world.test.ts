import assert from "node:assert/strict";
import { test } from "node:test";
import { markBad, takeTries } from "../layout/record-change.ts";
import { fakeMachine, freshDisk } from "./fake-machine.ts";
import { openWorld } from "./world.ts";

test("changes of the record that are asked for at the same time are made one after the other: none is lost", async () => {
  const disk = freshDisk();
  const machine = fakeMachine(disk, { id: "1", stop: new AbortController() });
  const record = machine.record;
  const change = record.change.bind(record);
  // Like a disk: what was read is old by the time that it is written.
  Object.assign(record, {
    change: async (decide: Parameters<typeof change>[0]) => {
      const wanted = decide(await record.read());
      await new Promise((resolve) => setImmediate(resolve));
      return await change(() => wanted);
    },
  });
  const world = openWorld(machine);
  await world.readRecord();
  await Promise.all([
    world.changeRecord((facts) => markBad("b", facts)),
    world.changeRecord((facts) => takeTries("a", facts)),
    assert.rejects(
      world.changeRecord(() => {
        throw new Error("no");
      }),
    ),
    world.changeRecord(({ found }) => (found.is === "whole" ? { record: { ...found.record, recovery: 2 } } : {})),
  ]);
  assert.deepEqual(disk.tries, { a: 0, b: 0 });
  assert.deepEqual([disk.record.slots.b.state, disk.record.recovery], ["bad", 2]);
});
