import assert from "node:assert/strict";
import { mkdtempDisposable, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { faultyRegistry, NOW, push } from "../../tests/support/pushed-release.ts";
import { releaseImage, type ReleaseImage } from "../../tests/support/release-images.ts";
import { newKeyPair } from "../../tests/support/signing.ts";
import { bytesOf, putArtifact } from "../../tests/support/store-contract.ts";
import { testTools } from "../../tests/support/tools.ts";
import { sha256 } from "../host/sha256.ts";
import { BUNDLE_MEDIA } from "../release/sigstore-bundle.ts";
import { firstKeys } from "../release/change-keys.ts";
import { judgeStored } from "./judge-stored.ts";
import { keepDocuments, withKeptDocuments } from "./kept-release.ts";
import { findDeltas, openRelease, readSegments } from "./open-release.ts";
import type { ImageStore } from "./store.ts";

const HOW = { architecture: "x86-64" } as const;
const key = newKeyPair();
const trusted = firstKeys([key.publicKey], sha256);
let image: ReleaseImage;
before(async () => void (image = await releaseImage(await testTools(), "1.1.0")));

/** A signed release in a registry, and a folder for its documents. */
async function pushed() {
  await using scope = new AsyncDisposableStack();
  const registry = scope.use(await faultyRegistry({ tries: 1 }));
  const { path } = scope.use(await mkdtempDisposable(join(tmpdir(), "petrify-kept-")));
  const { index } = await push(registry.store, image, { signedBy: [key] });
  const kept = scope.move();
  return {
    ...{ ...registry, index, digest: index.digest, folder: join(path, "release") },
    goAway: (): void => registry.fail(() => ({ cutAfter: 0 })),
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

/** Whatever staging asks of a release. @returns who has signed it */
async function asked(store: ImageStore, digest: string): Promise<string | undefined> {
  const found = await openRelease(store, digest, HOW);
  await readSegments(store, found);
  await findDeltas(store, found);
  const question = { running: undefined, trusted, told: new Set([]), now: NOW, clockIsSet: true } as const;
  const answer = await judgeStored(store, found, question);
  return answer.allowed ? answer.signedBy : undefined;
}

test("a release whose documents are kept is judged and read while nobody answers, and nobody is asked", async () => {
  await using at = await pushed();
  await keepDocuments(at.reader, at.digest, at.folder, HOW);
  at.goAway();
  await assert.rejects(asked(at.reader, at.digest), { code: "REGISTRY_UNREACHABLE" });
  const requests = at.registry.asked.length;
  assert.ok(await asked(await withKeptDocuments(at.reader, at.digest, at.folder), at.digest));
  assert.equal(at.registry.asked.length, requests);
});

test("of another release, and of one that was not kept to its end, nothing is believed", async () => {
  await using at = await pushed();
  await keepDocuments(at.reader, at.digest, at.folder, HOW);
  const other = await push(at.store, await releaseImage(await testTools(), "1.2.0"), { tag: "v2", signedBy: [key] });
  assert.equal(await withKeptDocuments(at.reader, other.index.digest, at.folder), at.reader);
  for (let answers = 0; ; answers++) {
    let left = answers;
    at.fail(() => (left-- > 0 ? undefined : { cutAfter: 0 }));
    const isKept = await keepDocuments(at.reader, other.index.digest, at.folder, HOW).then(
      () => true,
      () => false,
    );
    const store = await withKeptDocuments(at.reader, other.index.digest, at.folder);
    assert.equal(store !== at.reader, isKept, `after ${answers} answers`);
    if (isKept) break;
    await assert.rejects(stat(at.folder), { code: "ENOENT" });
  }
  assert.ok(await asked(await withKeptDocuments(at.reader, other.index.digest, at.folder), other.index.digest));
});

test("a document that has rotted is asked for again, and is none where nobody answers", async () => {
  await using at = await pushed();
  await keepDocuments(at.reader, at.digest, at.folder, HOW);
  const blobs = join(at.folder, "blobs/sha256");
  const names = await readdir(blobs);
  assert.ok(names.length >= 6, "index, manifest, release, list, and a bundle with its manifest");
  for (const name of names) {
    const path = join(blobs, name);
    const bytes = await readFile(path);
    for (const rotten of [
      Buffer.from(bytes).fill(0x20, bytes.length >> 1, (bytes.length >> 1) + 9),
      bytes.subarray(1),
      Buffer.alloc(0),
    ]) {
      await writeFile(path, rotten);
      at.fail(() => undefined);
      assert.ok(await asked(await withKeptDocuments(at.reader, at.digest, at.folder), at.digest), name);
      at.goAway();
      const store = await withKeptDocuments(at.reader, at.digest, at.folder);
      assert.equal(await asked(store, at.digest).catch(() => undefined), undefined, name);
    }
    await writeFile(path, bytes);
  }
});

test("who fills a registry with signatures does not fill a machine's partition", async () => {
  await using at = await pushed();
  const { mediaType, digest, size } = at.index;
  for (let seed = 1; seed <= 9; seed++) {
    const bundle = { subject: { mediaType, digest, size }, artifactType: BUNDLE_MEDIA, layerType: BUNDLE_MEDIA };
    await putArtifact(at.store, bytesOf(1_000_000, seed), bundle);
  }
  await assert.rejects(keepDocuments(at.reader, at.digest, at.folder, HOW), { code: "RELEASE_TOO_LARGE" });
  await assert.rejects(stat(at.folder), { code: "ENOENT" });
});
