import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { releaseImage, type ReleaseImage } from "../../tests/support/release-images.ts";
import { newKeyPair } from "../../tests/support/signing.ts";
import { putArtifact, sourceOf } from "../../tests/support/store-contract.ts";
import { testTools } from "../../tests/support/tools.ts";
import { hex } from "../core/digest.ts";
import { sha256 } from "../host/sha256.ts";
import { zstdQuickPack } from "../host/zstd.ts";
import { keyId } from "../layout/public-key.ts";
import { blobPath, OCI_MEDIA } from "../layout/oci-image.ts";
import { addKey, firstKeys, revokeKey } from "../release/change-keys.ts";
import { packedSegments } from "../release/segments.ts";
import { BUNDLE_MEDIA } from "../release/sigstore-bundle.ts";
import { signatureImage, signatureTag, signSimple } from "../release/simple-signing.ts";
import type { TrustedKeys } from "../release/trusted-keys.ts";
import { judgeStored, missingSegments, type StoredQuestion } from "./judge-stored.ts";
import { layoutStore } from "./layout-store.ts";
import { openRelease, readSegments } from "./open-release.ts";
import { pushRelease } from "./push-release.ts";
import { signRelease } from "./sign-release.ts";
import type { ImageStore } from "./store.ts";

const NOW = 1_900_000_000;
const DAY = 86_400;
const architecture = "x86-64";
const [old, fresh, stranger] = [newKeyPair(), newKeyPair(), newKeyPair()];
type Key = ReturnType<typeof newKeyPair>;
const one = firstKeys([old.publicKey], sha256);
const two = addKey(one, fresh.publicKey, sha256);
const later = addKey(one, fresh.publicKey, sha256, NOW + DAY);
const revoked = revokeKey(two, keyId(old.publicKey, sha256), NOW);
const running = { name: "test", version: "1.4.0", created: NOW - 30 * DAY };

let image: ReleaseImage;
/** Packed once: it is the same image every time. */
const packed = new Map<string, Uint8Array>();
const pack = async (bytes: Uint8Array): Promise<Uint8Array> => {
  const digest = hex(sha256.digest(bytes));
  const blob = packed.get(digest) ?? zstdQuickPack(bytes);
  packed.set(digest, blob);
  return await Promise.resolve(blob);
};
before(async () => {
  image = await releaseImage(await testTools(), "1.5.0");
});

interface Pushed {
  readonly by?: readonly Key[];
  readonly keys?: TrustedKeys;
  readonly expires?: number;
  readonly tag?: string;
}
/** A folder to which releases of the image are pushed. */
async function place() {
  const top = await mkdtempDisposable(join(tmpdir(), "petrify-judge-"));
  const store = layoutStore(top.path);
  return {
    folder: top.path,
    store,
    push: async ({ by = [], keys, expires, tag = "1.5.0" }: Pushed) => {
      const facts = { created: NOW, ...(keys ? { keys } : {}), ...(expires === undefined ? {} : { expires: () => expires }) };
      const pushed = await pushRelease({ store, tag, image, found: image.found, facts, pack });
      await pushed.publish();
      for (const key of by) await signRelease(store, pushed.index, key, { now: NOW });
      return pushed.index;
    },
    [Symbol.asyncDispose]: async () => await top.remove(),
  };
}
async function judge(store: ImageStore, more: Partial<StoredQuestion> = {}, tag = "1.5.0"): Promise<string> {
  const found = await openRelease(store, tag, { architecture });
  const question = { running, trusted: one, now: NOW + 1, clockIsSet: true, told: new Set<never>() };
  const answer = await judgeStored(store, found, { ...question, ...more });
  return answer.allowed ? (answer.keys ? `keys of epoch ${answer.keys.epoch}` : "taken") : answer.refusal.code;
}

const cases: readonly (readonly [what: string, pushed: Pushed, more: Partial<StoredQuestion>, answer: string])[] = [
  ["a release of a trusted key", { by: [old] }, {}, "taken"],
  ["one that a stranger has signed as well", { by: [stranger, old] }, {}, "taken"],
  ["one that nobody has signed", {}, {}, "RELEASE_UNSIGNED"],
  ["the same, where nobody is asked for", {}, { trusted: undefined }, "taken"],
  ["the wrong key", { by: [stranger] }, {}, "KEY_UNKNOWN"],
  ["a revoked key", { by: [old] }, { trusted: revoked }, "KEY_REVOKED"],
  ["a key that counts only later", { by: [fresh] }, { trusted: later }, "KEY_NOT_YET_VALID"],
  ["an old release, replayed", { by: [old] }, { running: { ...running, version: "1.6.0" } }, "RELEASE_OLDER"],
  [
    "the same, when that is said",
    { by: [old] },
    { running: { ...running, version: "1.6.0" }, told: new Set(["older"]) },
    "taken",
  ],
  ["another image", { by: [old] }, { running: { ...running, name: "other" } }, "RELEASE_OTHER_IMAGE"],
  ["one that has expired", { by: [old], expires: NOW + DAY }, { now: NOW + DAY }, "RELEASE_EXPIRED"],
  ["one that expires, and a clock that is not set", { by: [old], expires: NOW + DAY }, { clockIsSet: false }, "CLOCK_NOT_SET"],
  ["one that brings a new key", { by: [old, fresh], keys: two }, {}, "keys of epoch 2"],
  ["the same, without a signature that the machine knows", { by: [fresh], keys: two }, {}, "KEY_UNKNOWN"],
  [
    "one that brings a revocation, signed with the key that stays",
    { by: [fresh], keys: revoked },
    { trusted: two },
    "keys of epoch 3",
  ],
  ["one that would bring a revoked key back", { by: [fresh], keys: two }, { trusted: revoked }, "taken"],
];
for (const [what, pushed, more, answer] of cases) {
  test(`${what}: ${answer}`, async () => {
    await using at = await place();
    await at.push(pushed);
    assert.equal(await judge(at.store, more), answer);
  });
}

test("signatures of another release, put beside this one, are none of it", async () => {
  await using at = await place();
  const signed = await at.push({ by: [old], expires: NOW + DAY, tag: "signed" });
  const other = await at.push({});
  // The image of signatures under the other tag, and the bundle as a referrer of the other index.
  const { bytes } = await at.store.getManifest(signatureTag(signed.digest));
  await at.store.putManifest(bytes, OCI_MEDIA.manifest, { tag: signatureTag(other.digest) });
  const [bundle] = await at.store.referrers(signed.digest, { artifactType: BUNDLE_MEDIA });
  const manifest = JSON.parse(new TextDecoder().decode((await at.store.getManifest(bundle!.digest)).bytes));
  const text = JSON.stringify({ ...manifest, subject: { ...manifest.subject, digest: other.digest, size: other.size } });
  await at.store.putManifest(new TextEncoder().encode(text), OCI_MEDIA.manifest);
  assert.equal(await judge(at.store), "RELEASE_UNSIGNED");
  assert.equal(await judge(at.store, {}, "signed"), "taken");
});

test("junk that anybody puts beside a release hides no good signature of it", async () => {
  await using at = await place();
  const index = await at.push({ by: [old] });
  for (let number = 0; number < 40; number++)
    await putArtifact(at.store, new TextEncoder().encode(`junk ${number}`), { subject: index, artifactType: BUNDLE_MEDIA });
  const many = Array.from({ length: 40 }, () => signSimple({ digest: index.digest, repository: "x", key: stranger }));
  const { manifest, blobs } = signatureImage(many, sha256);
  for (const { descriptor, bytes } of blobs) await at.store.putBlob(descriptor, sourceOf(bytes));
  await at.store.putManifest(manifest, OCI_MEDIA.manifest, { tag: signatureTag(index.digest) });
  assert.equal(await judge(at.store), "taken");
});

test("a release of which one bit is wrong is no release, whoever has signed it", async () => {
  await using at = await place();
  const index = await at.push({ by: [old] });
  const { manifest } = await openRelease(at.store, "1.5.0", { architecture });
  const config = JSON.parse(new TextDecoder().decode((await at.store.getManifest(manifest.digest)).bytes)).config
    .digest as string;
  for (const digest of [index.digest, manifest.digest, config]) {
    const path = join(at.folder, blobPath(digest));
    const bytes = await readFile(path);
    await writeFile(path, bytes.with(bytes.length >> 1, bytes[bytes.length >> 1]! ^ 1));
    await assert.rejects(judge(at.store), { code: "REGISTRY_INVALID" });
    await writeFile(path, bytes);
  }
  assert.equal(await judge(at.store), "taken");
});

test("segments that are not there are found missing", async () => {
  await using at = await place();
  await at.push({ by: [old] });
  const list = await readSegments(at.store, await openRelease(at.store, "1.5.0", { architecture }));
  assert.deepEqual(await missingSegments(at.store, list, undefined), []);
  const [first] = packedSegments(list);
  await rm(join(at.folder, blobPath(first!.digest)));
  assert.deepEqual(
    (await missingSegments(at.store, list, undefined)).map(({ digest }) => digest),
    [first!.digest],
  );
});
