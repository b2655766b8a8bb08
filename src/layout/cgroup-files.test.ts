import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseCounters, sumOfIo } from "./cgroup-files.ts";

test("counters are read by name", () => {
  assert.deepEqual(
    [...parseCounters("usage_usec 1500\nuser_usec 1000\nnr max\n\nlow 0")],
    [
      ["usage_usec", 1500],
      ["user_usec", 1000],
      ["low", 0],
    ],
  );
});

test("bytes of all devices are added", () => {
  const text =
    "8:0 rbytes=1000 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n254:1 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:0\n";
  assert.deepEqual(sumOfIo(text), { read: 1001, written: 22 });
  assert.equal(sumOfIo("8:0 \n"), undefined);
});

test("any text is read", () => {
  const part = fc.oneof(fc.string(), fc.constantFrom("8:0 ", "rbytes=", "1", " wbytes=", "\n", "low "));
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const text = parts.join("");
      assert.ok(Number.isSafeInteger(sumOfIo(text)?.read ?? 0));
      for (const value of parseCounters(text).values()) assert.ok(Number.isSafeInteger(value));
    }),
  );
});
