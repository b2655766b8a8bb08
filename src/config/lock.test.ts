import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { formatLock, parseLock, type Lock } from "./lock.ts";

const lock: Lock = {
  format: 1,
  inputs: "00",
  time: 1_700_000_000,
  packages: [{ name: "zlib1g", version: "1:1.3", arch: "amd64", sha256: "ab".repeat(32) }],
  users: [{ name: "root", id: 0 }],
  groups: [],
};

test("a lock reads back as it was written", () => assert.deepEqual(parseLock(formatLock(lock), "petrify.lock"), lock));
test("a lock reads back with where its kernel comes from, and without as the locks of before", () => {
  const { users: _, groups: __, format: ___, ...kernel } = lock;
  for (const source of [kernel, { ...kernel, packages: [] }]) {
    const text = formatLock({ ...lock, kernel: source });
    assert.deepEqual(parseLock(text, "petrify.lock"), { ...lock, kernel: source });
    assert.equal(text.slice(0, text.indexOf("kernel:")), formatLock(lock));
  }
});
test("entries are sorted, so the same content is the same text", () => {
  const two = [...lock.packages, { ...lock.packages[0]!, name: "apt" }];
  assert.equal(formatLock({ ...lock, packages: two }), formatLock({ ...lock, packages: two.toReversed() }));
});
for (const [name, text, message] of [
  ["a newer format", formatLock(lock).replace("format: 1", "format: 2"), /^petrify\.lock: format: /],
  ["a short digest", formatLock(lock).replace("abab", ""), /^petrify\.lock: packages\.0\.sha256: /],
  ["what is not YAML", "a: [", /^petrify\.lock: /],
  ["nothing", "", /^petrify\.lock: \(top level\): /],
] as const) {
  test(`parseLock() refuses ${name} and says where`, () => {
    assert.throws(() => parseLock(text, "petrify.lock"), { code: "LOCK_INVALID", message });
  });
}
test("parseLock() answers any text with a lock or an AppError", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.integer({ min: 0, max: 400 }).map((at) => formatLock(lock).slice(0, at)),
      ),
      (text) => {
        try {
          parseLock(text, "x");
        } catch (error) {
          assert.ok(error instanceof AppError);
        }
      },
    ),
  );
});
