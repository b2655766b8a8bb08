import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newKeyPair } from "../../tests/support/signing.ts";
import { sha256 } from "../host/sha256.ts";
import { keyId } from "../layout/public-key.ts";
import { addKey, firstKeys, removeKey, revokeKey } from "./change-keys.ts";
import { parseTrustedKeys, nextTrust, trustedKey, type TrustedKeys } from "./trusted-keys.ts";

const keys = Array.from({ length: 4 }, () => newKeyPair().publicKey);
const [a, b, c] = keys as [Uint8Array, Uint8Array, Uint8Array];
const id = (key: Uint8Array): string => keyId(key, sha256);
const of = ({ epoch, keys: list }: TrustedKeys, key: Uint8Array) => ({ epoch, key: list.find((one) => one.id === id(key)) });
const set = firstKeys([a, b], sha256);

test("each change is the next epoch, and what is already so is no change", () => {
  assert.deepEqual(of(set, a), { epoch: 1, key: trustedKey(a, sha256) });
  assert.deepEqual(of(addKey(set, c, sha256, 7), c), { epoch: 2, key: trustedKey(c, sha256, { notBefore: 7 }) });
  assert.deepEqual(of(revokeKey(set, id(a), 9), a), { epoch: 2, key: trustedKey(a, sha256, { revoked: 9 }) });
  assert.deepEqual(of(removeKey(set, id(a)), a), { epoch: 2, key: undefined });
  assert.equal(addKey(set, b, sha256), set);
  const revoked = revokeKey(set, id(a), 9);
  assert.equal(revokeKey(revoked, id(a), 10), revoked);
});

test("a list is full at some time", () => {
  const many = Array.from({ length: 64 }, () => newKeyPair().publicKey);
  const full = parseTrustedKeys(firstKeys(many, sha256), sha256);
  assert.throws(() => addKey(full, a, sha256), { code: "KEYS_TOO_MANY" });
  assert.equal(addKey(removeKey(full, id(many[0]!)), a, sha256).keys.length, 64);
});

const revoked = revokeKey(set, id(a), 9);
for (const [what, change, code] of [
  ["a revoked key is added", () => addKey(revoked, a, sha256), "KEY_REVOKED"],
  ["a revoked key is removed", () => removeKey(revoked, id(a)), "KEY_REVOKED"],
  ["the last key is revoked", () => revokeKey(revoked, id(b), 9), "KEYS_NONE_LEFT"],
  ["the last key is removed", () => removeKey(revoked, id(b)), "KEYS_NONE_LEFT"],
  ["a stranger is revoked", () => revokeKey(set, id(c), 9), "KEY_UNKNOWN"],
  ["a stranger is removed", () => removeKey(set, id(c)), "KEY_UNKNOWN"],
] as const) {
  test(`${what}: ${code}`, () => {
    assert.throws(change, { code });
  });
}

test("whatever is changed, in whatever order, machines take it, also those that have missed some of it", () => {
  const change = fc.record({ what: fc.constantFrom("add", "revoke", "remove"), key: fc.constantFrom(...keys) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), fc.nat(12), (changes, misses) => {
      let newest = firstKeys([a], sha256);
      let machine = newest;
      for (const [step, { what, key }] of changes.entries()) {
        try {
          newest =
            what === "add"
              ? addKey(newest, key, sha256)
              : what === "revoke"
                ? revokeKey(newest, id(key), 5)
                : removeKey(newest, id(key));
        } catch (error) {
          assert.match((error as { code: string }).code, /^KEY_REVOKED|KEYS_NONE_LEFT|KEY_UNKNOWN$/);
        }
        parseTrustedKeys(newest, sha256);
        if (step % (misses + 1) !== 0) continue;
        const signers = machine.keys.filter((one) => one.revoked === undefined).map((one) => one.id);
        const answer = nextTrust(machine, { keys: newest, signers, created: 5 });
        assert.ok(answer.is !== "refused", answer.is === "refused" ? answer.refusal.message : "");
        if (answer.is === "next") machine = answer.keys;
        assert.deepEqual(machine, newest);
      }
    }),
  );
});
