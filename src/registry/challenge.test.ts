import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseChallenges } from "./challenge.ts";

const plain = (field: string): unknown =>
  parseChallenges(field).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

for (const [field, expected] of [
  ['Basic realm="a registry"', [["basic", { realm: "a registry" }]]],
  [
    'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:team/os:pull,push"',
    [["bearer", { realm: "https://auth.example/token", service: "registry.example", scope: "repository:team/os:pull,push" }]],
  ],
  ['BEARER Realm = "x" , error=invalid_token', [["bearer", { realm: "x", error: "invalid_token" }]]],
  [String.raw`Basic realm="a \"b\" \\"`, [["basic", { realm: String.raw`a "b" \ `.trimEnd() }]]],
  ['Basic realm="a, Bearer x", charset="UTF-8"', [["basic", { realm: "a, Bearer x", charset: "UTF-8" }]]],
  [
    'Negotiate, Basic realm="r"',
    [
      ["negotiate", {}],
      ["basic", { realm: "r" }],
    ],
  ],
  [
    'Negotiate YWJj==, , Basic realm="r"',
    [
      ["negotiate", {}],
      ["basic", { realm: "r" }],
    ],
  ],
  ['Basic realm="first",realm="second"', [["basic", { realm: "first" }]]],
  ['Bearer realm="cut', [["bearer", {}]]],
  ["", []],
  ["= =", []],
] as const) {
  test(`${field} is read`, () => assert.deepEqual(plain(field), expected));
}

test("whatever is sent ends, and names schemes only that are in it", () => {
  const piece = fc.constantFrom("Basic", "Bearer ", "realm", "=", '"', ",", " ", "\\", "a", "==", "\t", "é");
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 20 }).map((words) => words.join("")),
      ),
      (field) => {
        for (const { scheme } of parseChallenges(field)) assert.ok(field.toLowerCase().includes(scheme));
      },
    ),
    { numRuns: 5000 },
  );
});
