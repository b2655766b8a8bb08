import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { COSIGN } from "../../tests/support/cosign-vectors.ts";
import { decodeEncryptedKey, encodeEncryptedKey } from "../layout/encrypted-key.ts";
import { formatPublicKey } from "../layout/public-key.ts";
import { ecdsa } from "./ecdsa.ts";
import { encryptSigningKey, newSigningKey, openSigningKey, plainSigningKey } from "./signing-key.ts";

const says = (password: string) => async () => await Promise.resolve(password);
const notAsked = async (): Promise<string> => await Promise.reject(new Error("asked for a password"));
const message = new TextEncoder().encode("release");

test("cosign's encrypted key is opened with its password", async () => {
  const key = await openSigningKey(COSIGN.privateKey, "cosign.key", says(COSIGN.password));
  assert.equal(formatPublicKey(key.publicKey), COSIGN.publicKey);
  assert.ok(ecdsa.verify(key.publicKey, { message, signature: key.sign(message) }));
});

test("a new key is opened again, with its password or plain", async () => {
  const made = await newSigningKey();
  for (const password of ["correct horse", "", "größe\u0000"]) {
    const text = await encryptSigningKey(made.pkcs8, password, randomBytes);
    assert.ok(!text.includes(Buffer.from(made.pkcs8).toString("base64").slice(0, 60)));
    assert.deepEqual((await openSigningKey(text, "edge.key", says(password))).publicKey, made.publicKey);
    await assert.rejects(openSigningKey(text, "edge.key", says(`${password}!`)), {
      code: "KEY_PASSWORD_WRONG",
      message: /^edge\.key: /,
    });
  }
  assert.deepEqual((await openSigningKey(plainSigningKey(made.pkcs8), "edge.key", notAsked)).publicKey, made.publicKey);
  assert.notDeepEqual((await newSigningKey()).publicKey, made.publicKey);
});

test("the text of a key is the same for the same salt and nonce", async () => {
  const { pkcs8 } = await newSigningKey();
  const zeros = (length: number): Uint8Array => new Uint8Array(length);
  assert.equal(await encryptSigningKey(pkcs8, "x", zeros), await encryptSigningKey(pkcs8, "x", zeros));
  assert.notEqual(await encryptSigningKey(pkcs8, "x", randomBytes), await encryptSigningKey(pkcs8, "x", randomBytes));
});

test("an encrypted key that was changed is not opened", async () => {
  const encrypted = decodeEncryptedKey(COSIGN.privateKey)!;
  assert.equal(encodeEncryptedKey(encrypted).replaceAll(/\s/g, ""), COSIGN.privateKey.replaceAll(/\s/g, ""));
  const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte));
  for (const part of ["salt", "nonce", "ciphertext"] as const) {
    const changed = encodeEncryptedKey({ ...encrypted, [part]: flipped(encrypted[part]) });
    await assert.rejects(openSigningKey(changed, "x.key", says(COSIGN.password)), { code: "KEY_PASSWORD_WRONG" });
  }
});

const envelope = (change: (json: any) => void): string => {
  const json = JSON.parse(Buffer.from(COSIGN.privateKey.split("\n").slice(1, -2).join(""), "base64").toString());
  change(json);
  return `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n${Buffer.from(JSON.stringify(json)).toString("base64")}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n`;
};
const pem = (type: "ec", options: { namedCurve: string }): string =>
  generateKeyPairSync(type, options).privateKey.export({ type: "pkcs8", format: "pem" });
for (const [what, text] of [
  ["a key on another curve", pem("ec", { namedCurve: "P-384" })],
  ["a public key", COSIGN.publicKey],
  ["nothing", ""],
  ["PKCS #8 of nothing", plainSigningKey(Uint8Array.of(0x30, 0))],
  ["an encrypted key that asks for gigabytes", envelope((json) => (json.kdf.params.N = 2 ** 30))],
  ["an encrypted key that asks for hours", envelope((json) => (json.kdf.params.p = 2 ** 20))],
  ["an encrypted key of another cipher", envelope((json) => (json.cipher.name = "aes"))],
  ["an encrypted key with a short nonce", envelope((json) => (json.cipher.nonce = "AAAA"))],
  ["an encrypted key without a salt", envelope((json) => delete json.kdf.salt)],
  [
    "an encrypted key that is null",
    "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nbnVsbA==\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
  ],
] as const) {
  test(`${what} is refused before anybody is asked for a password`, async () => {
    await assert.rejects(openSigningKey(text, "x.key", notAsked), { code: "KEY_INVALID", message: /^x\.key: / });
  });
}

test("whatever text there is, decoding ends with an answer", () => {
  const json = fc.json().map((text) => envelope((value) => Object.assign(value, { kdf: JSON.parse(text) })));
  fc.assert(
    fc.property(fc.oneof(fc.string(), json), (text) => {
      assert.equal(decodeEncryptedKey(text), undefined);
    }),
  );
});
