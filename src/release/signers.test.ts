import assert from "node:assert/strict";
import { test } from "node:test";
import { newKeyPair } from "../../tests/support/signing.ts";
import type { SignatureClaim } from "../core/signature.ts";
import { ecdsa } from "../host/ecdsa.ts";
import { sha256 } from "../host/sha256.ts";
import { MOST_CLAIMS, signersOf } from "./signers.ts";
import { trustedKey, trustedKeys } from "./trusted-keys.ts";

const [a, b, stranger] = [newKeyPair(), newKeyPair(), newKeyPair()];
const set = trustedKeys(1, [trustedKey(a.publicKey, sha256), trustedKey(b.publicKey, sha256, { revoked: 5 })]);
const id = (key: { publicKey: Uint8Array }): string => trustedKey(key.publicKey, sha256).id;
const message = new TextEncoder().encode("release");
const claim = (key: { sign: (message: Uint8Array) => Uint8Array }): SignatureClaim => ({ message, signature: key.sign(message) });

test("the keys are found that have signed, revoked ones too, and no others", () => {
  assert.deepEqual(signersOf([claim(a)], set, ecdsa), [id(a)]);
  assert.deepEqual(signersOf([claim(stranger), claim(b)], set, ecdsa), [id(b)]);
  assert.deepEqual(signersOf([claim(a), claim(b), claim(a)], set, ecdsa).toSorted(), [id(a), id(b)].toSorted());
  assert.deepEqual(signersOf([claim(stranger)], set, ecdsa), []);
  assert.deepEqual(signersOf([], set, ecdsa), []);
});

test("every bit of message and signature counts", () => {
  const { signature } = claim(a);
  for (let at = 0; at < message.length; at++) {
    const changed = message.slice();
    changed[at]! ^= 1;
    assert.equal(ecdsa.verify(a.publicKey, { message: changed, signature }), false);
  }
  for (let at = 0; at < signature.length; at++) {
    const changed = signature.slice();
    changed[at]! ^= 1;
    assert.equal(ecdsa.verify(a.publicKey, { message, signature: changed }), false, `byte ${at}`);
    assert.equal(ecdsa.verify(a.publicKey, { message, signature: signature.subarray(0, at) }), false, `cut at ${at}`);
  }
  assert.equal(ecdsa.verify(a.publicKey, { message, signature }), true);
});

test("what is no key has signed nothing", () => {
  const point = a.publicKey.slice();
  point[point.length - 1]! ^= 1;
  for (const key of [point, new Uint8Array(), a.publicKey.subarray(0, 90)]) assert.equal(ecdsa.verify(key, claim(a)), false);
});

test("a registry that is full of signatures keeps nobody busy", () => {
  let verified = 0;
  const counting = { verify: () => (verified++, false) };
  signersOf(
    Array.from({ length: 10_000 }, () => claim(stranger)),
    set,
    counting,
  );
  assert.equal(verified, MOST_CLAIMS * 2);
});
