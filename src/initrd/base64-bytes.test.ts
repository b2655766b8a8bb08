import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { base64 } from "../layout/base64.ts";
import { base64Bytes } from "./base64-bytes.ts";

test("whatever bytes there are, they are read back", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.deepEqual(base64Bytes(base64(bytes)), bytes)));
});

test("anything but Base64 is nothing", () => {
  for (const text of ["A", "AA", "AAA", "A===", "AA=A", "AAAA\n", "AA-_", "====", "é==="])
    assert.equal(base64Bytes(text), undefined, text);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void base64Bytes(text)));
});
