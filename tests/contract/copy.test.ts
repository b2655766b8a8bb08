/** What is copied from one store to another is the same there, all of it, and no byte is sent that is there. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runForTest } from "../../src/cli/testing.ts";
import { archiveStore } from "../../src/registry/archive-store.ts";
import { copyImage } from "../../src/registry/copy-image.ts";
import type { Descriptor } from "../../src/registry/documents.ts";
import { openStore } from "../../src/registry/open-store.ts";
import { parseReference } from "../../src/registry/reference.ts";
import { steadySource } from "../../src/registry/steady-source.ts";
import type { ImageStore } from "../../src/registry/store.ts";
import { digestOf, testRegistry, type RegistryOptions, type TestRegistry } from "../support/registry.ts";
import { bytesOf, collected, describedAs, MANIFEST, putArtifact, sourceOf, testContext } from "../support/store-contract.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";
const DELTA = "application/vnd.petrify.delta.v1";
let folder: string;
let places = 0;
before(async () => void (folder = await mkdtemp(join(tmpdir(), "petrify-copy-"))));
after(async () => await rm(folder, { recursive: true }));

interface Place extends AsyncDisposable {
  readonly store: ImageStore;
  readonly name: string;
  readonly registry?: TestRegistry;
}
const layout = async (): Promise<Place> => {
  const name = `oci:${folder}/${places++}`;
  const context = testContext();
  return { name, store: openStore(parseReference(name), context), [Symbol.asyncDispose]: async () => context[Symbol.dispose]() };
};
/** Opened anew for each use: what is not in the file is not there. */
const archive = async (): Promise<Place> => {
  const file = `${folder}/${places++}.tar`;
  return { name: `oci-archive:${file}`, store: archiveStore(file), [Symbol.asyncDispose]: async () => {} };
};
const repository =
  (options: RegistryOptions = {}, chunk = 64_000) =>
  async (): Promise<Place> => {
    const registry = await testRegistry(options);
    const context = testContext({ chunk });
    const name = `http://${registry.host}/team/os`;
    return {
      ...{ name, registry, store: openStore(parseReference(name), context) },
      [Symbol.asyncDispose]: async () => {
        context[Symbol.dispose]();
        await registry[Symbol.asyncDispose]();
      },
    };
  };

/** An index with two manifests; a delta of the second, a signature in both forms, and something of somebody else's. */
async function putRelease(
  store: ImageStore,
): Promise<{ readonly index: Descriptor; readonly refer: readonly string[]; readonly other: string }> {
  const container = await putArtifact(store, bytesOf(200_000, 1));
  const release = await putArtifact(store, bytesOf(300_000, 2));
  const entry = ({ digest, size }: Descriptor): object => ({ mediaType: MANIFEST, digest, size });
  const text = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [entry(container), entry(release)], note: "é" });
  const index = await store.putManifest(new TextEncoder().encode(text), INDEX, { tag: "v1" });
  const delta = await putArtifact(store, bytesOf(100_000, 3), { subject: entry(release), artifactType: DELTA });
  const bundle = await putArtifact(store, bytesOf(3000, 4), {
    ...{ subject: index, artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json" },
  });
  const simple = await putArtifact(store, bytesOf(2000, 5), { tag: `${index.digest.replace(":", "-")}.sig` });
  const other = await putArtifact(store, bytesOf(1000, 6), { subject: index, artifactType: "application/vnd.other" });
  return { index, refer: [delta.digest, bundle.digest, simple.digest], other: other.digest };
}

const PLACES = {
  "a folder": layout,
  "an archive": archive,
  "a registry": repository(),
  "a registry without the API for referrers": repository({ referrers: false }),
} as const;
const WAYS: readonly (readonly [keyof typeof PLACES, keyof typeof PLACES])[] = [
  ["a folder", "a registry"],
  ["a registry", "an archive"],
  ["an archive", "a registry without the API for referrers"],
  ["a registry without the API for referrers", "a folder"],
  ["an archive", "an archive"],
];
for (const [fromName, toName] of WAYS) {
  const [openFrom, openTo] = [PLACES[fromName], PLACES[toName]];
  test(`a release goes from ${fromName} to ${toName} with all that belongs to it, and a second time nothing is sent`, async () => {
    await using from = await openFrom();
    await using to = await openTo();
    const { index, refer, other } = await putRelease(from.store);
    const wish = { from: from.store, to: to.store, reference: "v1", tag: "stable" };
    const copied = await copyImage(wish);
    assert.equal(copied.descriptor.digest, index.digest);
    assert.equal(copied.referrers, 3);
    assert.equal((await to.store.headManifest("stable"))?.digest, index.digest);
    for (const digest of [index.digest, ...refer]) {
      const [here, there] = await Promise.all([from.store, to.store].map(async (store) => await store.getManifest(digest)));
      assert.ok(Buffer.from(here!.bytes).equals(there!.bytes));
      const { layers = [] } = JSON.parse(Buffer.from(there!.bytes).toString()) as { layers?: Descriptor[] };
      for (const layer of layers) await collected(to.store.getBlob(layer));
    }
    assert.equal((await to.store.referrers(index.digest)).length, 1);
    assert.equal(await to.store.headManifest(other), undefined);
    const again = await copyImage(wish);
    assert.deepEqual({ ...again.blobs, bytes: again.bytes.sent }, { sent: 0, mounted: 0, there: copied.blobs.sent, bytes: 0 });
    assert.equal(again.bytes.total, copied.bytes.sent);
    assert.equal((await copyImage({ ...wish, referrers: "all" })).referrers, 4);
    assert.equal((await to.store.headManifest(other))?.digest, other);
    assert.equal((await to.store.referrers(index.digest)).length, 2);
  });
}

test("the tag comes last, after everything that it leads to and that refers to it", async () => {
  await using from = await layout();
  await using to = await repository()();
  await putRelease(from.store);
  await copyImage({ from: from.store, to: to.store, reference: "v1", tag: "v1" });
  const written = to.registry!.asked.filter(({ method }) => method === "PUT").map(({ url }) => url);
  assert.equal(
    written.findIndex((url) => url.endsWith("/manifests/v1")),
    written.length - 1,
  );
});

test("what another repository of the registry has is not sent", async () => {
  await using at = await repository()();
  using context = testContext();
  await putRelease(at.store);
  const to = openStore(parseReference(at.name.replace("team/os", "team/stable")), context);
  const asked = at.registry!.asked.length;
  const copied = await copyImage({ from: at.store, to, reference: "v1", tag: "v1", mountFrom: "team/os" });
  assert.equal(copied.bytes.sent, 0);
  assert.equal(copied.blobs.sent, 0);
  assert.ok(copied.blobs.mounted > 4);
  assert.deepEqual(
    at.registry!.asked.slice(asked).filter(({ method, url }) => method === "GET" && url.includes("/blobs/")),
    [],
  );
});

test("a source that gives other bytes is not copied, and nothing has the tag", async () => {
  const wrong = bytesOf(300_000, 2);
  const fault: RegistryOptions["fault"] = ({ method, url }) =>
    method === "GET" && url.endsWith(digestOf(wrong)) ? { change: (body) => body.with(7, body[7]! ^ 1) as Buffer } : undefined;
  for (const openTo of [layout, repository()]) {
    await using from = await repository({ fault })();
    await using to = await openTo();
    await putRelease(from.store);
    await assert.rejects(copyImage({ from: from.store, to: to.store, reference: "v1", tag: "v1" }), { code: "REGISTRY_INVALID" });
    assert.equal(await to.store.headManifest("v1"), undefined);
    assert.equal(await to.store.hasBlob(describedAs(wrong)), false);
  }
});

test("an upload in pieces reads its source once, and goes on from where something has to be sent again", async () => {
  await using from = await repository()();
  let pieces = 0;
  await using to = await repository({
    fault: ({ method }) => (method === "PATCH" && ++pieces === 3 ? { cutRequestAfter: 30_000 } : undefined),
  })();
  const bytes = bytesOf(300_000, 2);
  await from.store.putBlob(describedAs(bytes), sourceOf(bytes));
  await using source = steadySource(from.store, describedAs(bytes), undefined);
  const already = from.registry!.asked.length;
  assert.equal(await to.store.putBlob(describedAs(bytes), source.bytes), "sent");
  const asked = from.registry!.asked.slice(already).map(({ headers }) => headers["range"]);
  assert.ok(asked.length <= 2 && asked[0] === undefined, String(asked));
  assert.ok(Buffer.from(await collected(to.store.getBlob(describedAs(bytes)))).equals(bytes));
});

test("whoever made a source larger or deeper than anything is stopped", async () => {
  await using from = await layout();
  await using to = await layout();
  let inner: Descriptor = await putArtifact(from.store, bytesOf(10));
  for (let depth = 0; depth < 8; depth++) {
    const text = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [inner] });
    inner = await from.store.putManifest(new TextEncoder().encode(text), INDEX, { tag: `v${depth}` });
  }
  await copyImage({ from: from.store, to: to.store, reference: "v3" });
  await assert.rejects(copyImage({ from: from.store, to: to.store, reference: "v7" }), { code: "REGISTRY_INVALID" });
});

test("the command copies by names, says what it sent, and names the same digest in JSON", async () => {
  await using from = await repository()();
  await using to = await layout();
  const { index } = await putRelease(from.store);
  const ran = await runForTest(["copy", `${from.name}:v1`, to.name], { cwd: folder });
  assert.equal(ran.exitCode, 0, ran.err);
  assert.match(
    ran.out,
    new RegExp(`^${to.name}:v1 is ${index.digest}\\.\nsent       59\\d\\.\\d KiB of 59\\d\\.\\d KiB\nwith it    3 that`),
  );
  const json = await runForTest(["copy", `${from.name}@${index.digest}`, to.name, "--json"], { cwd: folder });
  const { value } = JSON.parse(json.out.trim().split("\n").at(-1)!) as { value: { digest: string; to: string; blobs: object } };
  assert.deepEqual(value.blobs, { sent: 0, mounted: 0, there: 6 });
  assert.equal(value.to, `${to.name}@${index.digest}`);
  for (const [args, why] of [
    [[from.name, to.name], /names no tag/],
    [[`${from.name}:v1`, `${to.name}@${index.digest}`], /names a digest/],
    [[`${from.name}:v2`, to.name], /manifest v2: is not there/],
    [[`${from.name}:v1`, to.name, "--registries", "missing.yaml"], /missing\.yaml cannot be read/],
  ] as const) {
    const failed = await runForTest(["copy", ...args], { cwd: folder });
    assert.equal(failed.exitCode, 1);
    assert.match(failed.err, why);
  }
});
