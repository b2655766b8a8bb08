import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEFAULT_HEALTH_PLAN, encodeHealthPlan, parseHealthPlan, type CheckSpec, type HealthPlan } from "./health-plan.ts";

const plan: HealthPlan = {
  deadlineSeconds: 60,
  onFailure: "reboot",
  failedUnits: false,
  checks: [
    { name: "ssh.service", kind: "unit", unit: "ssh.service", timeoutSeconds: 10 },
    { name: "web", kind: "http", url: "http://127.0.0.1/", status: [200, 204], timeoutSeconds: 5 },
    { name: "web2", kind: "http", url: "https://[::1]/", timeoutSeconds: 5 },
    { name: "[::1]:22", kind: "tcp", host: "::1", port: 22, timeoutSeconds: 1 },
    { name: "mine", kind: "command", argv: ["/usr/bin/check", "--fast", ""], timeoutSeconds: 300 },
  ],
};
const changed = (change: object): string => JSON.stringify({ ...JSON.parse(encodeHealthPlan(plan)), ...change });

test("what the build writes is what the agent reads", () => {
  assert.equal(encodeHealthPlan(plan).endsWith("}\n"), true);
  assert.deepEqual(parseHealthPlan(encodeHealthPlan(plan)), { plan, notes: [] });
});

test("keys of a newer build are passed over", () => {
  assert.deepEqual(parseHealthPlan(changed({ colour: "blue" })), { plan, notes: [] });
});

for (const [what, file] of [
  ["no file", undefined],
  ["no JSON", "{"],
  ["an empty file", ""],
  ["null", "null"],
  ["a list", "[]"],
  ["another format", changed({ format: 2 })],
  ["no format", changed({ format: undefined })],
] as const) {
  test(`${what}: the checks of every image, and a note`, () => {
    const found = parseHealthPlan(file);
    assert.deepEqual(found.plan, DEFAULT_HEALTH_PLAN);
    assert.equal(found.notes.length, 1);
  });
}

for (const [what, change, key] of [
  ["a deadline of text", { deadlineSeconds: "5min" }, "deadlineSeconds"],
  ["a deadline that is over at once", { deadlineSeconds: 0 }, "deadlineSeconds"],
  ["a deadline that never comes", { deadlineSeconds: 1e300 }, "deadlineSeconds"],
  ["a consequence of a newer build", { onFailure: "page-someone" }, "onFailure"],
  ["a switch that is a number", { failedUnits: 1 }, "failedUnits"],
  ["checks that are no list", { checks: {} }, "checks"],
] as const) {
  test(`${what}: the default stands, the rest holds, and a note says so`, () => {
    const found = parseHealthPlan(changed(change));
    assert.deepEqual(found.plan, { ...plan, [key]: DEFAULT_HEALTH_PLAN[key] });
    assert.match(found.notes.join(), new RegExp(`: ${key} cannot be used`));
  });
}

for (const [what, spec] of [
  ["of a newer build", { name: "x", kind: "kubernetes" }],
  ["without a kind", { name: "x" }],
  ["of a unit without a unit", { name: "x", kind: "unit" }],
  ["without a URL", { name: "x", kind: "http", url: "" }],
  ["with a status that is text", { name: "x", kind: "http", url: "http://x/", status: ["200"] }],
  ["with no status at all", { name: "x", kind: "http", url: "http://x/", status: [] }],
  ["with a port too high", { name: "x", kind: "tcp", host: "x", port: 65536 }],
  ["with a relative program", { name: "x", kind: "command", argv: ["check"] }],
  ["without a program", { name: "x", kind: "command", argv: [] }],
  ["with a NUL in an argument", { name: "x", kind: "command", argv: ["/x", "a\0"] }],
] as const) {
  test(`a check ${what} is kept as unknown and reported; the others hold`, () => {
    const found = parseHealthPlan(changed({ checks: [spec, plan.checks[0]] }));
    assert.deepEqual(found.plan.checks, [{ name: "x", kind: "unknown", timeoutSeconds: 10 }, plan.checks[0]]);
    assert.deepEqual(found.notes, ["/usr/lib/petrify/health.json: the check x is not understood; it is not run"]);
  });
}

test("a check that is no object has a name all the same", () => {
  assert.deepEqual(parseHealthPlan(changed({ checks: [7] })).plan.checks, [
    { name: "number 1", kind: "unknown", timeoutSeconds: 10 },
  ]);
});

test("any text gives a plan whose numbers are in range, and any plan comes back as it was", () => {
  const sound = (file: string): void => {
    const { plan: found } = parseHealthPlan(file);
    assert.ok(found.deadlineSeconds >= 5 && found.deadlineSeconds <= 86_400);
    for (const { name, timeoutSeconds } of found.checks) assert.ok(name && timeoutSeconds >= 1 && timeoutSeconds <= 300);
  };
  fc.assert(fc.property(fc.string({ unit: "binary" }), sound));
  const keys = fc.constantFrom("name", "kind", "unit", "url", "status", "host", "port", "argv", "timeoutSeconds", "__proto__");
  const kinds = fc.constantFrom("unit", "http", "tcp", "command", "other");
  const check = fc.oneof(fc.dictionary(keys, fc.oneof(kinds, fc.jsonValue())), fc.jsonValue());
  const file = fc.record({ deadlineSeconds: fc.jsonValue(), failedUnits: fc.jsonValue(), checks: fc.array(check) });
  fc.assert(fc.property(file, (value) => sound(changed(value))));

  const name = fc.string({ minLength: 1 });
  const base = { name, timeoutSeconds: fc.integer({ min: 1, max: 300 }) };
  const plain = { noNullPrototype: true };
  const status = fc.array(fc.integer({ min: 100, max: 599 }), { minLength: 1 });
  const known: fc.Arbitrary<CheckSpec> = fc.oneof(
    fc.record({ ...base, kind: fc.constant("unit" as const), unit: name }, plain),
    fc.record({ ...base, kind: fc.constant("http" as const), url: name }, plain),
    fc.record({ ...base, kind: fc.constant("http" as const), url: name, status }, plain),
    fc.record({ ...base, kind: fc.constant("tcp" as const), host: name, port: fc.integer({ min: 1, max: 65_535 }) }, plain),
  );
  fc.assert(
    fc.property(fc.array(known), (checks) => {
      assert.deepEqual(parseHealthPlan(encodeHealthPlan({ ...plan, checks })), { plan: { ...plan, checks }, notes: [] });
    }),
  );
});
