import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newKeyPair } from "../../tests/support/signing.ts";
import { AppError } from "../core/error.ts";
import { plainSigningKey } from "../host/signing-key.ts";
import { sha256 } from "../host/sha256.ts";
import { firstKeys } from "./change-keys.ts";
import { formatKeyList, parseKeyList } from "./key-list.ts";
import { encodeTrustedKeys } from "./trusted-keys.ts";

const set = firstKeys([newKeyPair().publicKey, newKeyPair().publicKey], sha256);

test("a list is read back, however it is laid out", () => {
  for (const text of [
    formatKeyList(set),
    new TextDecoder().decode(encodeTrustedKeys(set)),
    `\n${JSON.stringify(set, undefined, "\t")}\r\n`,
  ])
    assert.deepEqual(parseKeyList(text, "list", sha256), set);
});

for (const [what, text] of [
  ["nothing", ""],
  ["a private key", plainSigningKey(new Uint8Array(138))],
  ["a list in which a private key hides", JSON.stringify({ ...set, privateKey: "x" })],
  ["a list with an id of another key", formatKeyList(set).replace(set.keys[0]!.id, "0".repeat(64))],
  ["a fraction", '{"format":1.5}'],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => parseKeyList(text, "list", sha256), { code: "KEYS_INVALID" });
  });
}

test("whatever text there is, parsing ends with a list or with what is wrong", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseKeyList(text, "list", sha256);
      } catch (error) {
        assert.ok(error instanceof AppError, String(error));
      }
    }),
  );
});
