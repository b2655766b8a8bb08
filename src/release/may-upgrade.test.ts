import assert from "node:assert/strict";
import { test } from "node:test";
import { mayUpgrade, type Told, type UpgradeQuestion } from "./may-upgrade.ts";
import { trustedKeys } from "./trusted-keys.ts";

const [A, B, C, D] = ["a", "b", "c", "d"].map((digit) => digit.repeat(64)) as [string, string, string, string];
const NOW = 1_900_000_000;
const DAY = 86_400;
const trusted = trustedKeys(3, [
  { id: A, publicKey: "" },
  { id: B, publicKey: "", revoked: NOW - DAY },
  { id: C, publicKey: "", notBefore: NOW },
]);
const release = { name: "edge", version: "1.5.0", created: NOW - DAY, expires: NOW + DAY };
const question: UpgradeQuestion = {
  running: { name: "edge", version: "1.4.0", created: NOW - 30 * DAY },
  candidate: { release, signatures: 1, signers: [A] },
  trusted,
  now: NOW,
  clockIsSet: true,
  told: new Set(),
};
const signedBy = (...signers: string[]) => ({ release, signatures: 1, signers });
const of = (more: object) => ({ release: { ...release, ...more }, signatures: 1, signers: [A] });
const forever = { ...release, expires: undefined };
const told = (...words: Told[]) => new Set(words);

/** `yes`, or the code of the refusal. */
const cases: readonly (readonly [what: string, more: Partial<UpgradeQuestion>, answer: string])[] = [
  ["a newer release with a good signature", {}, "yes"],
  ["a release without a signature", { candidate: { release, signatures: 0, signers: [] } }, "RELEASE_UNSIGNED"],
  [
    "a release without a signature, whatever is told",
    { candidate: { release, signatures: 0, signers: [] }, told: told("older", "expired", "other-image") },
    "RELEASE_UNSIGNED",
  ],
  ["a release that only a stranger has signed", { candidate: signedBy() }, "KEY_UNKNOWN"],
  ["a signer that is not in the set", { candidate: signedBy(D) }, "KEY_UNKNOWN"],
  ["a release that a revoked key has signed", { candidate: signedBy(B) }, "KEY_REVOKED"],
  [
    "a release of a revoked key, whatever is told",
    { candidate: signedBy(B), told: told("older", "expired", "other-image") },
    "KEY_REVOKED",
  ],
  ["a release that a revoked key and a good one have signed", { candidate: signedBy(B, A) }, "yes"],
  ["a release from before its key counts", { candidate: signedBy(C) }, "KEY_NOT_YET_VALID"],
  ["a release from the second its key counts", { candidate: { ...of({ created: NOW }), signers: [C] } }, "yes"],
  [
    "an unsigned release, where no keys are named",
    { trusted: undefined, candidate: { release, signatures: 0, signers: [] } },
    "yes",
  ],
  [
    "an unsigned release, where all keys are revoked",
    { trusted: trustedKeys(4, [{ id: A, publicKey: "", revoked: 1 }]), candidate: { release, signatures: 0, signers: [] } },
    "RELEASE_UNSIGNED",
  ],
  [
    "a release of the only key, which is revoked",
    { trusted: trustedKeys(4, [{ id: A, publicKey: "", revoked: 1 }]) },
    "KEY_REVOKED",
  ],
  ["another image of the same maker", { candidate: of({ name: "kiosk" }) }, "RELEASE_OTHER_IMAGE"],
  ["another image, as told", { candidate: of({ name: "kiosk" }), told: told("other-image") }, "yes"],
  ["a release in the second it expires", { now: release.expires }, "RELEASE_EXPIRED"],
  ["a release a second before it expires", { now: release.expires - 1 }, "yes"],
  ["an expired release, as told", { now: release.expires, told: told("expired") }, "yes"],
  ["an expired release, though older ones are allowed", { now: release.expires, told: told("older") }, "RELEASE_EXPIRED"],
  ["an expired release without keys", { now: release.expires, trusted: undefined }, "RELEASE_EXPIRED"],
  ["a release that expires, while the clock is not set", { clockIsSet: false }, "CLOCK_NOT_SET"],
  ["one that has expired at the earliest time that it can be", { clockIsSet: false, now: release.expires }, "RELEASE_EXPIRED"],
  ["a release that expires, while the clock is not set, as told", { clockIsSet: false, told: told("expired") }, "yes"],
  [
    "a release that never expires, while the clock is not set",
    { clockIsSet: false, candidate: { release: forever, signatures: 1, signers: [A] } },
    "yes",
  ],
  ["an older release", { candidate: of({ version: "1.3.9" }) }, "RELEASE_OLDER"],
  ["an older release that was made later", { candidate: of({ version: "1.4.0-rc.1" }) }, "RELEASE_OLDER"],
  ["an older release, as told", { candidate: of({ version: "1.3.9" }), told: told("older") }, "yes"],
  [
    "an older release, though expired ones are allowed",
    { candidate: of({ version: "1.3.9" }), told: told("expired") },
    "RELEASE_OLDER",
  ],
  ["the release that runs", { candidate: of({ version: "1.4.0", created: NOW - 30 * DAY }) }, "yes"],
  ["the same version, made earlier", { candidate: of({ version: "1.4.0", created: NOW - 31 * DAY }) }, "RELEASE_OLDER"],
  ["any release, where nothing runs", { running: undefined, candidate: of({ version: "0.0.1", created: 0 }) }, "yes"],
  [
    "an old unsigned release of another image: what can be believed comes first",
    { now: release.expires, candidate: { release: { ...release, name: "kiosk", version: "1.0.0" }, signatures: 0, signers: [] } },
    "RELEASE_UNSIGNED",
  ],
];

for (const [what, more, expected] of cases) {
  test(`${what}: ${expected}`, () => {
    const answer = mayUpgrade({ ...question, ...more });
    assert.equal(answer.allowed ? "yes" : answer.refusal.code, expected);
    if (!answer.allowed) assert.match(answer.refusal.hint ?? "", /^[A-Z].*\.$/);
  });
}

test("the key that counts is named, and nobody where nobody is asked for", () => {
  const answer = (more: Partial<UpgradeQuestion>) => mayUpgrade({ ...question, ...more });
  assert.deepEqual(answer({ candidate: signedBy(B, A) }), { allowed: true, signedBy: A });
  assert.deepEqual(answer({ trusted: undefined }), { allowed: true, signedBy: undefined });
});

test("a time that no calendar has is told in seconds", () => {
  const answer = mayUpgrade({ ...question, candidate: of({ expires: 9e15 }), clockIsSet: false });
  assert.ok(!answer.allowed && answer.refusal.message.includes("9000000000000000"));
});
