import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { compareSemver, isInRange, parseSemver, parseVersionRange, type VersionRange } from "./semver.ts";

const version = (text: string) => parseSemver(text)!;
const range = (text: string): VersionRange => {
  const found = parseVersionRange(text);
  assert.ok(found, text);
  return found;
};

suite("a range takes", () => {
  /** Source: npm's semver(7), "Advanced Range Syntax", whose examples are among these. */
  const cases: readonly (readonly [range: string, taken: readonly string[], left: readonly string[]])[] = [
    ["^1.4", ["1.4.0", "1.4.9", "1.99.0"], ["1.3.9", "2.0.0", "2.0.0-rc.1", "1.5.0-rc.1"]],
    ["^0.2.3", ["0.2.3", "0.2.9"], ["0.2.2", "0.3.0", "1.0.0"]],
    ["^0.0.3", ["0.0.3"], ["0.0.4", "0.0.2"]],
    ["^0.0", ["0.0.0", "0.0.7"], ["0.1.0"]],
    ["^0", ["0.0.1", "0.9.9"], ["1.0.0"]],
    ["^1.2.3-beta.2", ["1.2.3-beta.2", "1.2.3-beta.4", "1.2.3", "1.3.0"], ["1.2.3-beta.1", "1.2.4-beta.2", "2.0.0-0"]],
    ["~1.4.2", ["1.4.2", "1.4.10"], ["1.4.1", "1.5.0"]],
    ["~1.4", ["1.4.0", "1.4.10"], ["1.5.0"]],
    ["~1", ["1.0.0", "1.9.0"], ["2.0.0", "0.9.0"]],
    ["1.x", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.0"]],
    ["1.4.x", ["1.4.0", "1.4.9"], ["1.5.0"]],
    ["1.4", ["1.4.0", "1.4.9"], ["1.5.0"]],
    ["1.4.2", ["1.4.2"], ["1.4.3", "1.4.2-rc.1"]],
    ["=1.4.2-rc.1", ["1.4.2-rc.1"], ["1.4.2"]],
    ["*", ["0.0.0", "99.0.0"], ["1.0.0-rc.1"]],
    [">=1.4.0 <2.0.0", ["1.4.0", "1.9.9"], ["2.0.0", "2.0.0-rc.1", "1.3.0"]],
    [">= 1.4 < 2", ["1.4.0", "1.9.9"], ["2.0.0", "1.3.0"]],
    [">1.4", ["1.5.0", "2.0.0"], ["1.4.9"]],
    [">1.4.2", ["1.4.3"], ["1.4.2"]],
    ["<=1.4", ["1.4.9", "0.1.0"], ["1.5.0"]],
    ["<=1.4.2", ["1.4.2"], ["1.4.3"]],
    ["<2.0.0-rc.2", ["1.0.0", "2.0.0-rc.1"], ["2.0.0-rc.2", "2.0.0"]],
    ["1.2 || ^3.0.0", ["1.2.9", "3.1.0"], ["2.0.0", "1.3.0"]],
    ["99999999999999999999.x", ["99999999999999999999.0.0"], ["100000000000000000000.0.0"]],
  ];
  for (const [text, taken, left] of cases) {
    test(text, () => {
      for (const one of taken) assert.ok(isInRange(version(one), range(text)), `${one} is left out`);
      for (const one of left) assert.ok(!isInRange(version(one), range(text)), `${one} is taken`);
    });
  }
});

for (const text of ["", "latest", "1.4.0.1", "01.x", ">x", "^", "1.4 -", "1.0 - 2.0", "v1.4", "|| 1.0", "1.x.3", "1.4.0-", "~>1"])
  test(`${JSON.stringify(text)} is no range`, () => assert.equal(parseVersionRange(text), undefined));

test("whatever text is asked about, the answer is a range or none", () => {
  const pieces = fc.constantFrom("^", "~", ">=", "<", "1", ".", "x", "*", "-", "rc", " ", "||", "0", "=");
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const found = parseVersionRange(parts.join(""));
      if (found) isInRange(version("1.0.0"), found);
    }),
  );
});

test("a caret takes what is between a version and the next that may break, and no more", () => {
  const number = fc.nat(20);
  fc.assert(
    fc.property(fc.tuple(number, number, number), fc.tuple(number, number, number), (from, to) => {
      const [a, b] = [from, to].map((core) => version(core.join("."))) as [
        ReturnType<typeof version>,
        ReturnType<typeof version>,
      ];
      const kept = from.findIndex((digits) => digits > 0);
      const isSame = from.slice(0, kept === -1 ? 3 : kept + 1).every((digits, at) => digits === to[at]);
      assert.equal(isInRange(b, range(`^${from.join(".")}`)), compareSemver(b, a) >= 0 && isSame);
    }),
  );
});
