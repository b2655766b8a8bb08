import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareReleases } from "./release-order.ts";

const at = (version: string, created = 0) => ({ version, created });

/** Each is older than all that follow. Source: Semantic Versioning 2.0.0, item 11 */
const ordered = [
  ...["0.0.1", "0.9.0", "1.0.0-0", "1.0.0-1", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta"],
  ...["1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0", "99999999999999999999.0.0"],
  "100000000000000000000.0.0",
];

test("semantic versions are in their order, whenever they were created", () => {
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) {
      const order = compareReleases(at(a, 99 - i), at(b, 99 - j));
      assert.equal(Math.sign(order) || 0, Math.sign(i - j) || 0, `${a} ${b}`);
    }
  }
});

for (const [a, b, why] of [
  ["1.0.0", "1.0.0", "the same version"],
  ["1.0.0+build.1", "1.0.0+build.2", "build metadata alone"],
  ["1.9", "1.10", "versions of two numbers"],
  ["v2.0.0", "1.0.0", "a version with a letter before it"],
  ["2026-10", "1.0.0", "one semantic version and one other"],
  ["01.0.0", "1.0.0", "a number with a leading zero"],
] as const) {
  test(`${why}: the time of creation decides`, () => {
    assert.ok(compareReleases(at(a, 1), at(b, 2)) < 0);
    assert.ok(compareReleases(at(a, 2), at(b, 1)) > 0);
    assert.equal(compareReleases(at(a, 1), at(b, 1)), 0);
  });
}

test("the order has no sides: what is older one way is newer the other way", () => {
  const word = fc.stringMatching(/^[0-9a-z-]{1,3}$/);
  const version = fc
    .tuple(fc.array(fc.nat(11), { minLength: 2, maxLength: 4 }), fc.array(word, { maxLength: 3 }))
    .map(([core, pre]) => core.join(".") + (pre.length > 0 ? `-${pre.join(".")}` : ""));
  const dated = fc.record({ version, created: fc.nat(3) });
  fc.assert(
    fc.property(dated, dated, (a, b) => {
      assert.equal(Math.sign(compareReleases(a, b)) + Math.sign(compareReleases(b, a)), 0);
    }),
  );
});
