import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson, parseCanonicalJson, type Json } from "./canonical-json.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("keys are sorted by their UTF-16 code units, and nothing is spaced", () => {
  // Source: RFC 8785, section 3.2.3
  const value = { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\u{1f600}": 5, "\u0080": 6, "\u00f6": 7 };
  assert.equal(canonicalJson(value), '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\u{1f600}":5,"\ufb33":3}');
  assert.equal(
    canonicalJson({ b: [1, { d: null, c: true }], a: '\u0007\n"\\é', x: undefined }),
    '{"a":"\\u0007\\n\\"\\\\é","b":[1,{"c":true,"d":null}]}',
  );
});

for (const [what, value] of [
  ["a fraction", 0.5],
  ["a number that is not exact", 2 ** 53],
  ["a lone surrogate", "\ud800"],
  ["a lone surrogate in a key", { "\udc00": 1 }],
] as const) {
  test(`${what} has no canonical form`, () => {
    assert.throws(() => canonicalJson(value), RangeError);
  });
}

for (const [what, text, message] of [
  ["a space", '{"a": 1}', /canonical/],
  ["a key that is there twice", '{"a":1,"a":2}', /canonical/],
  ["keys in another order", '{"b":1,"a":2}', /canonical/],
  ["a number in another form", '{"a":1e3}', /canonical/],
  ["minus zero", "-0", /canonical/],
  ["an escape that is not needed", '"\\u0041"', /canonical/],
  ["a line at the end", "{}\n", /canonical/],
  ["a byte order mark", "\ufeff{}", /not JSON/],
  ["half a document", '{"a":', /not JSON/],
  ["a million levels", "[".repeat(1e5) + "]".repeat(1e5), /canonical|not JSON/],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => parseCanonicalJson(bytes(text)), message);
  });
}

test("bytes that are not UTF-8 are refused", () => {
  assert.throws(() => parseCanonicalJson(Uint8Array.of(0x22, 0xff, 0x22)), /not JSON/);
});

test("every document comes back from its canonical form, which is the only one", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      let text: string;
      try {
        text = canonicalJson(value);
      } catch (error) {
        assert.ok(error instanceof RangeError);
        return;
      }
      assert.deepEqual(parseCanonicalJson(bytes(text)), JSON.parse(JSON.stringify(value)));
      assert.equal(canonicalJson(JSON.parse(text) as Json), text);
    }),
  );
});
