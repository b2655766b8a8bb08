import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { newKeyPair } from "../../tests/support/signing.ts";
import { sha256 } from "../host/sha256.ts";
import { base64, bytesOfBase64 } from "./base64.ts";
import { decodePem, encodePem } from "./pem.ts";
import { formatPublicKey, keyId, parsePublicKey } from "./public-key.ts";

/** Made by cosign 2.5; its id by `openssl pkey -pubin -in cosign.pub -outform der | sha256sum`. */
const COSIGN_PUB = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEV4DD/+Mm2KalzZLd9m7geie74XY3
xxwnys6M7Jc4mtObSz0xL1zFpEHlHXB5vgQCGeuxHaDxGLdkYpvME0Jd1g==
-----END PUBLIC KEY-----
`;

test("a public key of cosign is read and written back, and has the id that OpenSSL computes", () => {
  const key = parsePublicKey(COSIGN_PUB, "cosign.pub");
  assert.equal(formatPublicKey(key), COSIGN_PUB);
  assert.equal(keyId(key, sha256), "38b973a205439e8b48e38902192c56a12f417b97ec60542667994685a91a1d21");
  assert.deepEqual(parsePublicKey(`\n${COSIGN_PUB.replaceAll("\n", "\r\n")}\n`, "x"), key);
});

const pem = (type: "ed25519" | "ec" | "rsa", options: object): string =>
  generateKeyPairSync(type as "ec", options as { namedCurve: string }).publicKey.export({ type: "spki", format: "pem" });
for (const [what, text] of [
  ["a key on another curve", pem("ec", { namedCurve: "P-384" })],
  ["an Ed25519 key", pem("ed25519", {})],
  ["an RSA key", pem("rsa", { modulusLength: 2048 })],
  ["a private key", encodePem("PRIVATE KEY", parsePublicKey(COSIGN_PUB, "x"))],
  ["two keys", COSIGN_PUB + COSIGN_PUB],
  ["words before the key", `edge\n${COSIGN_PUB}`],
  ["a key that is cut short", COSIGN_PUB.replace("1g==", "")],
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
