import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseWipefs } from "./wipefs.ts";

test("tables and file systems are told by name, each once", () => {
  const signatures = [
    { type: "gpt" },
    { type: "ext4", label: "photos\u009b1m" },
    { type: "PMBR" },
    { type: "swap", label: null },
  ];
  const said = parseWipefs(JSON.stringify({ signatures }));
  assert.deepEqual(said, ["a partition table (GPT)", 'ext4 "photos 1m"', "swap"]);
  assert.deepEqual(parseWipefs("\n"), []);
});

test("what cannot be read is something", () => {
  for (const text of ["{", "{}", "null", '{"signatures":[null]}'])
    assert.deepEqual(parseWipefs(text), ["what wipefs cannot describe"]);
});

test("whatever wipefs says, there are phrases without control characters", () => {
  const said = fc.oneof(fc.string(), fc.json(), fc.array(fc.record({ type: fc.anything(), label: fc.anything() })).map(asText));
  // eslint-disable-next-line no-control-regex -- that there are none
  fc.assert(fc.property(said, (text) => assert.ok(parseWipefs(text).every((one) => !/[\x00-\x1f\x7f-\x9f]/.test(one)))));
});

function asText(signatures: unknown): string {
  try {
    return JSON.stringify({ signatures });
  } catch {
    return "";
  }
}
