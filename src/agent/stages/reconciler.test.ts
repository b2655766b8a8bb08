import assert from "node:assert/strict";
import { test } from "node:test";
import { openReconciler } from "./reconciler.ts";

const never = new AbortController().signal;
const MINUTE = 60_000;

test("it is begun five minutes after the start and half an hour after the last one has ended, one at a time, whatever comes of it", async () => {
  let uptime = 0;
  const started: number[] = [];
  const said: string[] = [];
  let ends = Promise.withResolvers<void>();
  const reconciler = openReconciler({
    stages: {
      ...{ runs: () => [], drift: () => undefined },
      start: async (name) => {
        assert.equal(name, "reconcile");
        started.push(uptime / MINUTE);
        await ends.promise;
      },
    },
    ...{ uptime: () => uptime, jitter: 0, log: (_level, line) => void said.push(line) },
  });
  const until = async (minutes: number): Promise<void> => {
    for (; uptime <= minutes * MINUTE; uptime += MINUTE) {
      reconciler.look(never);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await until(44);
  assert.deepEqual(started, [5]);
  ends.reject(new Error("it has failed"));
  ends = Promise.withResolvers();
  await until(80);
  assert.deepEqual(started, [5, 75]);
  assert.deepEqual(said, ["it has failed"]);
});
