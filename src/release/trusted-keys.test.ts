import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newKeyPair } from "../../tests/support/signing.ts";
import { sha256 } from "../host/sha256.ts";
import { canonicalJson } from "./canonical-json.ts";
import {
  decodeTrustedKeys,
  effectiveTrust,
  encodeTrustedKeys,
  nextTrust,
  trustedKey,
  trustedKeys,
  type SignedKeys,
  type TrustedKey,
  type TrustedKeys,
} from "./trusted-keys.ts";

const [a, b, c] = Array.from({ length: 3 }, () => trustedKey(newKeyPair().publicKey, sha256)) as [
  TrustedKey,
  TrustedKey,
  TrustedKey,
];
const revoked = (key: TrustedKey): TrustedKey => ({ ...key, revoked: 100 });
const set = trustedKeys(3, [a, b]);
const decode = (bytes: Uint8Array): TrustedKeys => decodeTrustedKeys(bytes, "trusted-keys.json", sha256);
const text = (value: object): Uint8Array => new TextEncoder().encode(canonicalJson(value as never));

test("a set is read back as it was written", () => {
  const full = trustedKeys(7, [a, revoked(b), { ...c, notBefore: 5 }]);
  assert.deepEqual(decode(encodeTrustedKeys(full)), full);
});

const [first, second] = set.keys as [TrustedKey, TrustedKey];
for (const [what, bytes, message] of [
  ["a later format", text({ ...set, format: 2 }), /format/],
  ["an epoch of 0", text({ ...set, epoch: 0 }), /epoch/],
  ["no keys", text({ ...set, keys: [] }), /keys/],
  ["65 keys", text({ ...set, keys: Array.from({ length: 65 }, () => a) }), /keys/],
  ["a key that is there twice", text({ ...set, keys: [first, first] }), /twice/],
  ["keys in another order", text({ ...set, keys: [second, first] }), /sorted/],
  ["an id that is not the key's", text({ ...set, keys: [{ ...first, id: second.id }] }), /id is not/],
  ["a key that is none", text({ ...set, keys: [{ ...first, publicKey: "AAAA" }] }), /not a public key/],
  ["base64 of another form", text({ ...set, keys: [{ ...first, publicKey: `${first.publicKey} ` }] }), /not a public key/],
  ["a word that this format does not know", text({ ...set, keys: [{ ...first, until: 5 }] }), /keys\.0/],
  ["a set whose keys are all revoked", text({ ...set, keys: set.keys.map(revoked) }), /all keys are revoked/],
  ["another form of the same document", new TextEncoder().encode(`${canonicalJson(set)}\n`), /canonical/],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => decode(bytes), { code: "KEYS_INVALID", message });
  });
}

test("every byte that is changed gives an error of its own kind, or another whole set", () => {
  const bytes = encodeTrustedKeys(set);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = bytes.slice();
      changed[at]! ^= change;
      try {
        assert.deepEqual(encodeTrustedKeys(decode(changed)), changed);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "KEYS_INVALID");
      }
    }),
  );
});

test("whatever bytes there are, decoding ends with an answer", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((json) => new TextEncoder().encode(json)),
      ),
      (bytes) => {
        assert.throws(() => decode(bytes), { code: "KEYS_INVALID" });
      },
    ),
  );
});

const signed = (keys: TrustedKeys, ...signers: TrustedKey[]): SignedKeys => ({
  keys,
  signers: signers.map(({ id }) => id),
  created: 50,
});
const withC = trustedKeys(4, [a, b, c]);

/** `next`, `kept` or the code of the refusal. */
const cases: readonly (readonly [what: string, current: TrustedKeys, next: SignedKeys, answer: string])[] = [
  ["a trusted key adds one", set, signed(withC, a), "next"],
  ["epochs may be passed over", set, signed({ ...withC, epoch: 9 }, b), "next"],
  ["a key leaves the set without being revoked", set, signed(trustedKeys(4, [b, c]), a), "next"],
  ["nobody has signed the new set", set, signed(withC), "KEY_UNKNOWN"],
  ["only a key of the new set has signed it", set, signed(withC, c), "KEY_UNKNOWN"],
  [
    "a revoked key has signed the new set",
    trustedKeys(3, [a, revoked(b)]),
    signed(trustedKeys(4, [a, revoked(b), c]), b),
    "KEY_REVOKED",
  ],
  [
    "a revoked key gives itself back its trust",
    trustedKeys(3, [a, revoked(b)]),
    signed(trustedKeys(4, [a, b]), b),
    "KEY_REVOKED",
  ],
  [
    "a revoked key and a good one have signed it",
    trustedKeys(3, [a, revoked(b)]),
    signed(trustedKeys(4, [a, revoked(b), c]), b, a),
    "next",
  ],
  [
    "a key that does not count yet has signed it",
    trustedKeys(3, [a, { ...b, notBefore: 51 }]),
    signed(withC, b),
    "KEY_NOT_YET_VALID",
  ],
  ["the signing key revokes itself, and another one is left", set, signed(trustedKeys(4, [revoked(a), b]), a), "next"],
  [
    "the signing key revokes itself and names its successor",
    trustedKeys(3, [a]),
    signed(trustedKeys(4, [revoked(a), c]), a),
    "next",
  ],
  ["all keys are revoked", set, signed({ ...set, epoch: 4, keys: set.keys.map(revoked) }, a), "KEYS_NONE_LEFT"],
  ["a revoked key is back", trustedKeys(3, [a, revoked(b)]), signed(trustedKeys(4, [a, b]), a), "KEYS_REVIVED"],
  ["a revoked key is forgotten", trustedKeys(3, [a, revoked(b)]), signed(trustedKeys(4, [a, c]), a), "KEYS_REVIVED"],
  ["the epoch goes back", set, signed({ ...withC, epoch: 2 }, a), "kept"],
  ["the set that is there", set, signed(set, a), "kept"],
  ["the same epoch with other keys", set, signed({ ...withC, epoch: 3 }, a), "KEYS_CONFLICT"],
  ["an old set, replayed by a stranger", set, signed({ ...withC, epoch: 2 }), "KEY_UNKNOWN"],
];

for (const [what, current, next, expected] of cases) {
  test(`${what}: ${expected}`, () => {
    const answer = nextTrust(current, next);
    assert.equal(answer.is === "refused" ? answer.refusal.code : answer.is, expected);
    if (answer.is === "next") assert.equal(answer.keys, next.keys);
  });
}

test("what a machine goes by never has a smaller epoch than before, whichever image boots", () => {
  assert.equal(effectiveTrust(set, withC), withC);
  assert.equal(effectiveTrust(withC, set), withC);
  assert.equal(effectiveTrust(undefined, set), set);
  assert.equal(effectiveTrust(set, undefined), set);
  assert.equal(effectiveTrust(undefined, undefined), undefined);
  const other = { ...withC, epoch: set.epoch };
  assert.equal(effectiveTrust(other, set), set);
  const withRevoked = trustedKeys(3, [a, revoked(b)]);
  assert.equal(effectiveTrust(withC, withRevoked), withRevoked, "an image gives no revoked key back");
});

test("no order of releases brings a revoked key back, or the epoch down", () => {
  const keys = [a, b, c];
  const state = fc.constantFrom("absent", "good", "revoked");
  const someSet = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.tuple(state, state, state)).map(([epoch, states]) =>
    trustedKeys(
      epoch,
      states.flatMap((is, i) => (is === "absent" ? [] : [is === "revoked" ? revoked(keys[i]!) : keys[i]!])),
    ),
  );
  const step = fc.record({ keys: someSet, signers: fc.subarray(keys.map(({ id }) => id)), created: fc.nat(100) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      let current = trustedKeys(1, keys);
      const gone = new Set<string>();
      for (const next of steps) {
        const answer = nextTrust(current, next);
        if (answer.is !== "next") continue;
        assert.ok(answer.keys.epoch > current.epoch);
        current = answer.keys;
        for (const { id, revoked: since } of current.keys) if (since !== undefined) gone.add(id);
        assert.ok(current.keys.some(({ revoked: since }) => since === undefined));
        for (const id of gone) assert.ok(current.keys.some((key) => key.id === id && key.revoked !== undefined));
      }
    }),
  );
});
