import assert from "node:assert/strict";
import { test } from "node:test";
import { newKeyPair } from "../../tests/support/signing.ts";
import { ecdsa } from "../host/ecdsa.ts";
import { sha256 } from "../host/sha256.ts";
import { keyId } from "../layout/public-key.ts";
import { addKey, firstKeys, revokeKey } from "./change-keys.ts";
import { claimsAbout, judgeRelease, type FoundSignatures, type ReleaseQuestion } from "./judge-release.ts";
import { provenance } from "./provenance.ts";
import type { Release } from "./release.ts";
import { signDigest, signStatement } from "./sigstore-bundle.ts";
import { signSimple } from "./simple-signing.ts";
import { trustedKeys, type TrustedKeys } from "./trusted-keys.ts";
import { someBuild } from "../../tests/support/provenance.ts";

const [old, fresh, stranger] = [newKeyPair(), newKeyPair(), newKeyPair()];
type Key = ReturnType<typeof newKeyPair>;
const NOW = 1_900_000_000;
const digest = `sha256:${"1".repeat(64)}`;
const other = `sha256:${"2".repeat(64)}`;
const trusted = firstKeys([old.publicKey], sha256);
const rotated = addKey(trusted, fresh.publicKey, sha256);
const revoked = revokeKey(rotated, keyId(old.publicKey, sha256), NOW);
const release: Release = { format: 1, name: "edge", version: "1.5.0", created: NOW - 100, expires: NOW + 100, manifest: "" };

const simple = (key: Key, of = digest): FoundSignatures => ({
  simple: [signSimple({ digest: of, repository: "registry.example/edge", key })],
  bundles: [],
});
const bundle = (key: Key, of = digest): FoundSignatures => ({ simple: [], bundles: [signDigest(of, key, sha256)] });
const both = (...found: FoundSignatures[]): FoundSignatures => ({
  simple: found.flatMap((one) => one.simple),
  bundles: found.flatMap((one) => one.bundles),
});
const nothing = both();

function judge(found: FoundSignatures, more: Partial<ReleaseQuestion> = {}) {
  return judgeRelease({
    ...{ release, claims: claimsAbout(digest, found), ecdsa, trusted, now: NOW, clockIsSet: true, told: new Set() },
    running: { name: "edge", version: "1.4.0", created: NOW - 1000 },
    ...more,
  });
}
const said = (answer: ReturnType<typeof judge>): string =>
  answer.allowed ? (answer.keys ? `keys of epoch ${answer.keys.epoch}` : "yes") : answer.refusal.code;
const carrying = (keys: TrustedKeys): Partial<ReleaseQuestion> => ({ release: { ...release, keys } });
const tampered = (found: FoundSignatures): FoundSignatures => ({
  simple: found.simple.map(({ payload, signature }) => ({ payload, signature: signature.with(12, signature[12]! ^ 1) })),
  bundles: found.bundles,
});

const cases: readonly (readonly [what: string, found: FoundSignatures, more: Partial<ReleaseQuestion>, answer: string])[] = [
  ["a signature of cosign 2", simple(old), {}, "yes"],
  ["a signature of cosign 3", bundle(old), {}, "yes"],
  ["both, and one of a stranger", both(simple(stranger), simple(old), bundle(old)), {}, "yes"],
  ["no signature", nothing, {}, "RELEASE_UNSIGNED"],
  ["the wrong key", both(simple(stranger), bundle(stranger)), {}, "KEY_UNKNOWN"],
  ["a signature in which one bit is wrong", tampered(simple(old)), {}, "KEY_UNKNOWN"],
  ["signatures of another manifest", both(simple(old, other), bundle(old, other)), {}, "RELEASE_UNSIGNED"],
  [
    "a signed provenance, and no signature",
    { simple: [], bundles: [signStatement(provenance({ ...someBuild, subject: { digest } }), old, sha256)] },
    {},
    "RELEASE_UNSIGNED",
  ],
  ["bytes that are no bundle", { simple: [], bundles: [new Uint8Array(10)] }, {}, "RELEASE_UNSIGNED"],
  [
    "an old release, replayed with its good signature",
    bundle(old),
    { release: { ...release, version: "1.3.0" } },
    "RELEASE_OLDER",
  ],
  ["an expired release with its good signature", bundle(old), { now: NOW + 100 }, "RELEASE_EXPIRED"],
  ["a clock that is not set", bundle(old), { clockIsSet: false }, "CLOCK_NOT_SET"],
  ["a revoked key", bundle(old), { trusted: revoked }, "KEY_REVOKED"],
  ["a new key that a release of the old one brings", bundle(old), carrying(rotated), "keys of epoch 2"],
  ["a release of the new key, before the machine knows it", bundle(fresh), carrying(rotated), "KEY_UNKNOWN"],
  ["the same, signed with both", both(bundle(fresh), bundle(old)), carrying(rotated), "keys of epoch 2"],
  ["a release of the new key, afterwards", bundle(fresh), { trusted: rotated }, "yes"],
  ["the old key is revoked by the new one", bundle(fresh), { trusted: rotated, ...carrying(revoked) }, "keys of epoch 3"],
  ["a release that brings the keys that the machine has", bundle(fresh), { trusted: rotated, ...carrying(rotated) }, "yes"],
  [
    "a release that would bring the revoked key back",
    bundle(fresh),
    { trusted: revoked, ...carrying(trustedKeys(9, rotated.keys)) },
    "KEYS_REVIVED",
  ],
  [
    "a release with other keys of the same epoch",
    bundle(old),
    { trusted: rotated, ...carrying(firstKeysOf(2)) },
    "KEYS_CONFLICT",
  ],
  ["an unsigned release with keys, where the image names none", nothing, { trusted: undefined, ...carrying(rotated) }, "yes"],
];
function firstKeysOf(epoch: number): TrustedKeys {
  return trustedKeys(epoch, firstKeys([stranger.publicKey], sha256).keys);
}

for (const [what, found, more, expected] of cases) {
  test(`${what}: ${expected}`, () => {
    assert.equal(said(judge(found, more)), expected);
  });
}

test("strangers' signatures hide a good one only where there are more of them than are looked at, and bundles come first", () => {
  const many = Array.from({ length: 100 }, () => simple(stranger));
  assert.equal(said(judge(both(...many, bundle(old)))), "yes");
  assert.equal(said(judge(both(...many, simple(old)))), "KEY_UNKNOWN");
});
