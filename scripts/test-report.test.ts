import assert from "node:assert/strict";
import { test } from "node:test";
import { testReport, type StageResult } from "./test-report.ts";
import type { TestRecord } from "./test-reporter.ts";

const at = (day: string, commit: string) => ({ date: new Date(`${day}T12:00:00Z`), commit, node: "v26", cores: 2 });
const of = (file: string, outcome: TestRecord["outcome"] = "pass"): TestRecord => ({
  ...{ name: `a | of ${file}`, file: `/top/tests/vm/${file}`, outcome, ms: 1500 },
});
const stage = (name: string, ...records: readonly TestRecord[]): StageResult => ({
  ...{ name, records, ok: records.every(({ outcome }) => outcome !== "fail"), seconds: 3 },
});
const where = (...there: readonly string[]) => ({ top: "/top", there });
const A = "tests/vm/a.test.ts";
const B = "tests/vm/b.test.ts";

test("a part that ran takes the place of what was said of it, and the others stay as they were", () => {
  const all = where("unit", A, B);
  const stages = [stage("unit", of("u.test.ts")), stage("vm", of("b.test.ts"), of("a.test.ts", "fail"))];
  const first = testReport("", stages, at("2026-01-02", "0123456789abcdef"), all);
  assert.match(
    first,
    /## unit\n\n2026-01-02, commit 0123456789ab, Node v26, 2 cores, 3 s: passed; 1 tests, 0 failed, 0 skipped\.\n/,
  );
  assert.match(first, /## tests\/vm\/a\.test\.ts\n\n2026-01-02, .*: FAILED; 1 tests, 1 failed, 0 skipped\.\n/);
  assert.match(first, /\| a \\\| of b\.test\.ts \| pass \| 1\.5 \|/);
  const second = testReport(first, [stage("vm", of("a.test.ts"))], at("2026-02-03", "f".repeat(40)), all);
  const [head, unit, a, b, ...more] = second.split(/^## /m);
  assert.deepEqual(more, []);
  const before = first.split(/^## /m);
  assert.deepEqual([head, unit, b], [before[0], before[1], before[3]]);
  assert.match(a!, /2026-02-03, commit ffffffffffff, .*: passed/);
});

test("what is no more is not in it, and what has never run is named", () => {
  const first = testReport("", [stage("vm", of("a.test.ts"))], at("2026-01-02", "0"), where(A));
  const second = testReport(first, [], at("2026-01-02", "0"), where(B));
  assert.doesNotMatch(second, /a\.test\.ts/);
  assert.match(second, /## Not run in full yet\n\n- tests\/vm\/b\.test\.ts\n$/);
});
