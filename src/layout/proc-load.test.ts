import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { parseLoadAverage, parsePressure } from "./proc-load.ts";

suite("the load", () => {
  test("is read", () => {
    const expected = { averages: [1.58, 1.34, 1.43], running: 2, tasks: 139 };
    assert.deepEqual(parseLoadAverage("1.58 1.34 1.43 2/139 22957\n"), expected);
  });
  for (const text of ["", "1.58 1.34", "1.58 1.34 1.43 2/139", "a b c 2/139 1", "1.58 1.34 1.43 -2/139 22957"])
    test(`is not ${JSON.stringify(text)}`, () => assert.equal(parseLoadAverage(text), undefined));
});

suite("pressure", () => {
  test("is read, of processors also where the kernel says nothing of all tasks", () => {
    const some = "some avg10=2.53 avg60=10.00 avg300=100.00 total=9262804490\n";
    assert.deepEqual(parsePressure(`${some}full avg10=0.87 avg60=1.54 avg300=0.79 total=57610385\n`), {
      some: [2.53, 10, 100],
      full: [0.87, 1.54, 0.79],
    });
    assert.deepEqual(parsePressure(some)?.full, [0, 0, 0]);
  });
  test("is nothing where it is switched off", () => assert.equal(parsePressure(""), undefined));
});

test("any text is read, or is none", () => {
  const part = fc.oneof(fc.string(), fc.constantFrom("some ", "full ", "avg10=", "1.00", " avg60=", "\n", "2/3", " 9"));
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const text = parts.join("");
      for (const value of parseLoadAverage(text)?.averages ?? []) assert.ok(Number.isFinite(value));
      const { some = [], full = [] } = parsePressure(text) ?? {};
      for (const value of [...some, ...full]) assert.ok(Number.isFinite(value));
    }),
  );
});
