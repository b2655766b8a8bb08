import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { handover } from "./handover.ts";

suite("values that are handed over", () => {
  test("come in the order in which they were given, and whoever gives waits until his own was taken", async () => {
    const { give, end, taken } = handover<number>();
    const done: number[] = [];
    const given = [1, 2].map(async (value) => {
      await give(value);
      done.push(value);
    });
    const values = taken();
    assert.deepEqual(await values.next(), { value: 1, done: false });
    await given[0];
    assert.deepEqual(done, [1]);
    end();
    assert.deepEqual(await values.next(), { value: 2, done: false });
    assert.equal((await values.next()).done, true);
    await give(3); // nobody waits for it
  });

  test("end with the error of whoever ends them, after those that wait", async () => {
    const { give, end, taken } = handover<number>();
    void give(1);
    end(new Error("why"));
    const values = taken();
    assert.equal((await values.next()).value, 1);
    await assert.rejects(values.next(), /why/);
  });

  test("keep nobody waiting once nobody takes them", async () => {
    const { give, taken } = handover<number>();
    const given = [give(1), give(2)];
    for await (const _ of taken()) break;
    await Promise.all(given);
    await give(3);
  });
});
