import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { AppError } from "../core/error.ts";
import { guidFromBytes, guidFromHex, guidToBytes } from "./guid.ts";

test("the EFI system partition's type has the bytes that UEFI 2.10 prints", () => {
  const bytes = guidToBytes("C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
  assert.equal(Buffer.from(bytes).toString("hex"), "28732ac11ff8d211ba4b00a0c93ec93b");
  assert.equal(guidFromBytes(bytes), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
});
test("any 16 bytes survive text and back, at any offset", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(9), (bytes, offset) => {
      const padded = new Uint8Array(offset + 16);
      padded.set(bytes, offset);
      assert.deepEqual(guidToBytes(guidFromBytes(padded, offset)), bytes);
    }),
  );
});
test("hexadecimal digits keep their order in a GUID's text", () => {
  assert.equal(guidFromHex("00112233445566778899AABBCCDDEEFF"), "00112233-4455-6677-8899-aabbccddeeff");
});
for (const text of [
  "",
  "c12a7328-f81f-11d2-ba4b-00a0c93ec93",
  "c12a7328f81f11d2ba4b00a0c93ec93b",
  "g12a7328-f81f-11d2-ba4b-00a0c93ec93b",
]) {
  test(`${JSON.stringify(text)} is refused as a GUID`, () => {
    assert.throws(
      () => guidToBytes(text),
      (error) => error instanceof AppError && error.code === "GUID_INVALID",
    );
  });
}
