import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { runInNewContext } from "node:vm";
import { garbageCollector } from "./garbage-collector.ts";

test("what nobody has any more is collected, and V8's flags are what they were", async () => {
  const collect = garbageCollector();
  let large: object | undefined = Array.from({ length: 1000 }, (_, i) => ({ i }));
  const left = new WeakRef(large);
  large = undefined;
  await turn(); // what was looked at in a turn is kept for that turn
  await collect({ type: "major", execution: "async" });
  assert.equal(left.deref(), undefined);
  assert.equal(runInNewContext("typeof gc"), "undefined");
  assert.equal(globalThis.gc, undefined);
});
