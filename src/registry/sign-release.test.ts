import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { newKeyPair } from "../../tests/support/signing.ts";
import { putArtifact, sourceOf, testContext } from "../../tests/support/store-contract.ts";
import { testRegistry, type Asked } from "../../tests/support/registry.ts";
import { ecdsa } from "../host/ecdsa.ts";
import { sha256 } from "../host/sha256.ts";
import { OCI_MEDIA, type Descriptor } from "../layout/oci-image.ts";
import { claimsAbout } from "../release/judge-release.ts";
import { signatureImage, signatureTag, signSimple } from "../release/simple-signing.ts";
import { layoutStore } from "./layout-store.ts";
import { findSignatures } from "./open-release.ts";
import { openStore } from "./open-store.ts";
import { parseReference } from "./reference.ts";
import { signRelease } from "./sign-release.ts";
import type { ImageStore } from "./store.ts";

const [key, other] = [newKeyPair(), newKeyPair()];
const now = 1_900_000_000;

async function folder() {
  const top = await mkdtempDisposable(join(tmpdir(), "petrify-sign-"));
  return { store: layoutStore(join(top.path, "layout")), [Symbol.asyncDispose]: async () => await top.remove() };
}
async function registry(referrers: boolean) {
  const served = await testRegistry({ referrers });
  const context = testContext();
  return {
    store: openStore(parseReference(`http://${served.host}/team/os`), context),
    [Symbol.asyncDispose]: async () => {
      context[Symbol.dispose]();
      await served[Symbol.asyncDispose]();
    },
  };
}
/** Something that can be signed. */
const subject = async (store: ImageStore): Promise<Descriptor> =>
  await putArtifact(store, new TextEncoder().encode("release"), { tag: "1.5.0" });

/** How many claims of either form are the key's. */
async function signaturesOf(
  store: ImageStore,
  index: Descriptor,
  { publicKey } = key,
): Promise<[bundles: number, simple: number]> {
  const { simple, bundles } = await findSignatures(store, index);
  const count = (found: Parameters<typeof claimsAbout>[1]): number =>
    claimsAbout(index.digest, found).filter((claim) => ecdsa.verify(publicKey, claim)).length;
  return [count({ simple: [], bundles }), count({ simple, bundles: [] })];
}

for (const [what, place] of [
  ["a folder", folder],
  ["a registry with referrers", async () => await registry(true)],
  ["a registry without", async () => await registry(false)],
] as const) {
  suite(`a signature in ${what}`, () => {
    test("has both forms, is made once, and leaves those of others where they are", async () => {
      await using at = await place();
      const { store } = at;
      const index = await subject(store);
      assert.deepEqual(await signRelease(store, index, other, { now }), { changed: true });
      assert.deepEqual(await signRelease(store, index, key, { now }), { changed: true });
      for (const one of [key, other]) assert.deepEqual(await signaturesOf(store, index, one), [1, 1]);
      assert.deepEqual(await signRelease(store, index, key, { now: now + 1 }), { changed: false });
      for (const one of [key, other]) assert.deepEqual(await signaturesOf(store, index, one), [1, 1]);
    });

    test("that was cut off after its first form is completed", async () => {
      await using at = await place();
      const { store } = at;
      const index = await subject(store);
      const cut: ImageStore = {
        ...store,
        putManifest: async (bytes, type, options = {}) => {
          if (options.tag !== undefined) throw new Error("cut");
          return await store.putManifest(bytes, type, options);
        },
      };
      await assert.rejects(signRelease(cut, index, key, { now }), /cut/);
      assert.deepEqual(await signaturesOf(store, index), [1, 0]);
      assert.deepEqual(await signRelease(store, index, key, { now }), { changed: true });
      assert.deepEqual(await signaturesOf(store, index), [1, 1]);
    });
  });
}

test("what others have written beside their signatures stays, byte for byte", async () => {
  await using at = await folder();
  const { store } = at;
  const index = await subject(store);
  const { manifest, blobs } = signatureImage([signSimple({ digest: index.digest, repository: "x", key: other })], sha256);
  const theirs = JSON.parse(new TextDecoder().decode(manifest));
  theirs.layers[0].annotations["dev.sigstore.cosign/certificate"] = "-----BEGIN";
  theirs.annotations = { "of.others": "yes" };
  for (const { descriptor, bytes } of blobs) await store.putBlob(descriptor, sourceOf(bytes));
  const tag = signatureTag(index.digest);
  await store.putManifest(new TextEncoder().encode(JSON.stringify(theirs)), OCI_MEDIA.manifest, { tag });
  await signRelease(store, index, key, { now });
  const now2 = JSON.parse(new TextDecoder().decode((await store.getManifest(tag)).bytes));
  assert.deepEqual([now2.layers[0], now2.annotations], [theirs.layers[0], theirs.annotations]);
  assert.equal(now2.layers.length, 2);
});

test("what is under the tag, and is no image of signatures, is replaced", async () => {
  await using at = await folder();
  const { store } = at;
  const index = await subject(store);
  const tag = signatureTag(index.digest);
  for (const text of ['{"schemaVersion":2,"layers":7}', "{}"]) {
    await store.putManifest(new TextEncoder().encode(text), OCI_MEDIA.manifest, { tag });
    await signRelease(store, index, key, { now });
    assert.deepEqual(await signaturesOf(store, index), [1, 1]);
  }
});

test("signatures that cannot be read now are not taken for none: nothing is written over them", async () => {
  let isDown = false;
  const fault = ({ method, url }: Asked) => (isDown && method === "GET" && url.endsWith(".sig") ? { status: 403 } : undefined);
  await using served = await testRegistry({ fault });
  using context = testContext();
  const store = openStore(parseReference(`http://${served.host}/team/os`), context);
  const index = await subject(store);
  await signRelease(store, index, other, { now });
  isDown = true;
  await assert.rejects(signRelease(store, index, key, { now }), { code: "REGISTRY_DENIED" });
  isDown = false;
  assert.deepEqual(await signaturesOf(store, index, other), [1, 1]);
});
