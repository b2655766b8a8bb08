import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { COSIGN } from "../../tests/support/cosign-vectors.ts";
import { newKeyPair } from "../../tests/support/signing.ts";
import { sha256 } from "../host/sha256.ts";
import { base64, bytesOfBase64 } from "./base64.ts";
import { decodePem, encodePem } from "./pem.ts";
import { formatPublicKey, keyId, parsePublicKey } from "./public-key.ts";

test("a public key of cosign is read and written back, and has the id that OpenSSL computes", () => {
  const key = parsePublicKey(COSIGN.publicKey, "cosign.pub");
  assert.equal(formatPublicKey(key), COSIGN.publicKey);
  assert.equal(keyId(key, sha256), COSIGN.keyId);
  assert.deepEqual(parsePublicKey(`\n${COSIGN.publicKey.replaceAll("\n", "\r\n")}\n`, "x"), key);
});

const pem = (type: "ed25519" | "ec" | "rsa", options: object): string =>
  generateKeyPairSync(type as "ec", options as { namedCurve: string }).publicKey.export({ type: "spki", format: "pem" });
for (const [what, text] of [
  ["a key on another curve", pem("ec", { namedCurve: "P-384" })],
  ["an Ed25519 key", pem("ed25519", {})],
  ["an RSA key", pem("rsa", { modulusLength: 2048 })],
  ["a private key", encodePem("PRIVATE KEY", parsePublicKey(COSIGN.publicKey, "x"))],
  ["two keys", COSIGN.publicKey + COSIGN.publicKey],
  ["words before the key", `edge\n${COSIGN.publicKey}`],
  ["a key that is cut short", COSIGN.publicKey.replace("1g==", "")],
  ["nothing", ""],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => parsePublicKey(text, "edge.pub"), { code: "KEY_INVALID", message: /^edge\.pub: / });
  });
}

test("any bytes come back from base64 and PEM", () => {
  assert.notEqual(keyId(newKeyPair().publicKey, sha256), keyId(newKeyPair().publicKey, sha256));
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.string(), (bytes, text) => {
      assert.deepEqual(bytesOfBase64(base64(bytes)), bytes);
      assert.deepEqual(decodePem(encodePem("A KEY", bytes)), { label: "A KEY", bytes });
      const decoded = bytesOfBase64(text);
      if (decoded) assert.equal(base64(decoded), text);
    }),
  );
});
