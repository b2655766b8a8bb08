/** What every store of images does, whatever it is: one suite for all of them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { httpClient } from "../../src/host/http-client.ts";
import type { RegistryContext } from "../../src/registry/registry-store.ts";
import type { BlobSource, ImageStore } from "../../src/registry/store.ts";
import { digestOf } from "./registry.ts";

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const EMPTY = new TextEncoder().encode("{}");

/** Bytes that are not all the same, and the same each time. */
export const bytesOf = (size: number, seed = 1): Uint8Array => {
  const bytes = new Uint8Array(size);
  for (let at = 0, state = seed; at < size; at++) bytes[at] = (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 16;
  return bytes;
};
export const describedAs = (bytes: Uint8Array): { digest: string; size: number } => ({
  digest: digestOf(bytes),
  size: bytes.length,
});
/** In pieces of an odd size. */
export const sourceOf = (bytes: Uint8Array): BlobSource =>
  async function* (from) {
    for (let at = from; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007);
  };
export async function collected(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(bytes));
}

/** Waits for nothing between tries, and remembers how long it would have. @param stallMs of waiting for an answer that does not come, where it is known that none will */
export function testContext(
  more: Partial<RegistryContext> = {},
  stallMs?: number,
): RegistryContext & { readonly waits: number[] } & Disposable {
  const client = httpClient(stallMs === undefined ? {} : { stallMs });
  const waits: number[] = [];
  return {
    http: client.http,
    credentials: async () => undefined,
    random: () => 0.5,
    now: () => performance.now(),
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      waits.push(ms);
    },
    waits,
    ...more,
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}

/** Puts an artifact of one layer. @returns its manifest's digest */
export async function putArtifact(
  store: ImageStore,
  layer: Uint8Array,
  {
    tag,
    subject,
    artifactType = "application/vnd.test",
    layerType = "application/octet-stream",
  }: { tag?: string; subject?: object; artifactType?: string; layerType?: string } = {},
): Promise<{ digest: string; bytes: Uint8Array; mediaType: string; size: number }> {
  await store.putBlob(describedAs(EMPTY), sourceOf(EMPTY));
  await store.putBlob(describedAs(layer), sourceOf(layer));
  const text = JSON.stringify({
    ...{ schemaVersion: 2, mediaType: MANIFEST, artifactType },
    config: { mediaType: "application/vnd.oci.empty.v1+json", ...describedAs(EMPTY) },
    layers: [{ mediaType: layerType, ...describedAs(layer) }],
    ...(subject ? { subject } : {}),
    annotations: { "test.note": "é" },
  });
  const bytes = new TextEncoder().encode(text);
  const descriptor = await store.putManifest(bytes, MANIFEST, tag === undefined ? {} : { tag });
  return { ...descriptor, bytes };
}

/** @param open a store that has nothing, which goes with its scope */
export function storeContract(name: string, open: () => Promise<{ readonly store: ImageStore } & AsyncDisposable>): void {
  describe(`a store of images, ${name}`, () => {
    test("has nothing at first, and says so", async () => {
      await using at = await open();
      const { store } = at;
      const none = digestOf("none");
      assert.equal(await store.headManifest("v1"), undefined);
      assert.equal(await store.headManifest(none), undefined);
      await assert.rejects(store.getManifest("v1"), { code: "REGISTRY_NOT_FOUND" });
      await assert.rejects(store.getManifest(none), { code: "REGISTRY_NOT_FOUND" });
      assert.equal(await store.hasBlob({ digest: none, size: 4 }), false);
      await assert.rejects(collected(store.getBlob({ digest: none, size: 4 })), { code: "REGISTRY_NOT_FOUND" });
      assert.deepEqual(await Array.fromAsync(store.tags()), []);
      assert.deepEqual(await store.referrers(none), []);
    });

    for (const size of [0, 1, 40_000, 300_000]) {
      test(`gives back a blob of ${size} bytes, and takes it once`, async () => {
        await using at = await open();
        const { store } = at;
        const bytes = bytesOf(size);
        assert.equal(await store.putBlob(describedAs(bytes), sourceOf(bytes)), "sent");
        assert.equal(await store.hasBlob(describedAs(bytes)), true);
        assert.ok((await collected(store.getBlob(describedAs(bytes)))).equals(bytes));
        assert.equal(await store.putBlob(describedAs(bytes), () => assert.fail("it is there")), "was-there");
      });
    }

    test("goes on with a blob of which a part is there, and compares all of it", async () => {
      await using at = await open();
      const { store } = at;
      const bytes = bytesOf(100_000);
      await store.putBlob(describedAs(bytes), sourceOf(bytes));
      for (const there of [0, 1, 60_001, 99_999, 100_000]) {
        const have = sourceOf(bytes.subarray(0, there))(0);
        assert.ok((await collected(store.getBlob(describedAs(bytes), { have }))).equals(bytes.subarray(there)), `${there}`);
      }
      const other = sourceOf(bytesOf(60_000, 7))(0);
      await assert.rejects(collected(store.getBlob(describedAs(bytes), { have: other })), { code: "REGISTRY_INVALID" });
      const more = sourceOf(bytesOf(100_001))(0);
      await assert.rejects(collected(store.getBlob(describedAs(bytes), { have: more })), { code: "REGISTRY_INVALID" });
    });

    test("gives any part of a blob, and none that is not within it", async () => {
      await using at = await open();
      const { store } = at;
      const bytes = bytesOf(100_000);
      const blob = describedAs(bytes);
      await store.putBlob(blob, sourceOf(bytes));
      for (const [from, length] of [
        ...([[0, 0] as const, [0, 1], [0, 99_999], [0, 100_000], [1, 1], [50_000, 20_000], [99_999, 1], [1, 99_999]] as const),
        [100_000, 0],
      ] as const) {
        const part = await collected(store.readBlob(blob, { from, length }));
        assert.ok(part.equals(bytes.subarray(from, from + length)), `${length} from ${from}`);
      }
      for (const [from, length] of [
        ...([[0, 100_001] as const, [100_000, 1], [-1, 2], [5, -1], [0.5, 1]] as const),
        [2 ** 53, 1],
      ] as const)
        await assert.rejects(collected(store.readBlob(blob, { from, length })), RangeError);
      const none = { digest: digestOf("none"), size: 4 };
      await assert.rejects(collected(store.readBlob(none, { from: 1, length: 2 })), { code: "REGISTRY_NOT_FOUND" });
      const longer = { ...blob, size: 100_001 };
      await assert.rejects(collected(store.readBlob(longer, { from: 1, length: 100_000 })), { code: "REGISTRY_INVALID" });
    });

    test("does not take a blob whose bytes are others, too few or too many, nor give it", async () => {
      await using at = await open();
      const { store } = at;
      const bytes = bytesOf(50_000);
      const { digest } = describedAs(bytes);
      await assert.rejects(store.putBlob({ digest, size: 50_000 }, sourceOf(bytesOf(50_000, 2))));
      await assert.rejects(store.putBlob({ digest, size: 50_000 }, sourceOf(bytes.subarray(1))));
      assert.equal(await store.hasBlob({ digest, size: 50_000 }), false);
      await store.putBlob({ digest, size: 50_000 }, sourceOf(bytes));
      for (const size of [49_999, 50_001]) {
        await assert.rejects(collected(store.getBlob({ digest, size })), { code: "REGISTRY_INVALID" });
      }
    });

    test("takes and gives a manifest byte by byte, by its tag and by its digest", async () => {
      await using at = await open();
      const { store } = at;
      const { digest, size, bytes } = await putArtifact(store, bytesOf(100), { tag: "v1" });
      const expected = { mediaType: MANIFEST, digest, size };
      for (const reference of ["v1", digest]) {
        assert.deepEqual(await store.headManifest(reference), expected);
        const found = await store.getManifest(reference);
        assert.deepEqual(found.descriptor, expected);
        assert.ok(Buffer.from(found.bytes).equals(bytes));
      }
    });

    test("moves a tag, and keeps what it meant under its digest", async () => {
      await using at = await open();
      const { store } = at;
      const old = await putArtifact(store, bytesOf(100), { tag: "v1" });
      const untagged = await putArtifact(store, bytesOf(102));
      const next = await putArtifact(store, bytesOf(101), { tag: "v1" });
      await putArtifact(store, bytesOf(101), { tag: "latest" });
      assert.equal((await store.getManifest("v1")).descriptor.digest, next.digest);
      for (const { digest } of [old, next, untagged]) assert.equal((await store.getManifest(digest)).descriptor.digest, digest);
      assert.deepEqual((await Array.fromAsync(store.tags())).toSorted(), ["latest", "v1"]);
    });

    test("lists every tag, however many pages they take", async () => {
      await using at = await open();
      const tags = Array.from({ length: 7 }, (_, number) => `v1.${number}`);
      for (const tag of tags) await putArtifact(at.store, bytesOf(10), { tag });
      assert.deepEqual((await Array.fromAsync(at.store.tags())).toSorted(), tags);
    });

    test("knows what refers to a manifest, of every type and of one, and each once", async () => {
      await using at = await open();
      const { store } = at;
      const { digest, size, mediaType } = await putArtifact(store, bytesOf(100), { tag: "v1" });
      const subject = { mediaType, digest, size };
      const made = [];
      for (const number of [1, 2, 3, 4]) {
        const artifactType = number === 2 ? "application/vnd.test.delta" : "application/vnd.test.signature";
        made.push(await putArtifact(store, bytesOf(number), { subject, artifactType }));
      }
      await putArtifact(store, bytesOf(1), { subject, artifactType: "application/vnd.test.signature" });
      const found = await store.referrers(digest);
      assert.deepEqual(found.map((one) => one.digest).toSorted(), made.map((one) => one.digest).toSorted());
      const [delta, ...others] = await store.referrers(digest, { artifactType: "application/vnd.test.delta" });
      assert.deepEqual(others, []);
      assert.deepEqual(delta, {
        ...{ mediaType: MANIFEST, digest: made[1]!.digest, size: made[1]!.size, artifactType: "application/vnd.test.delta" },
        annotations: { "test.note": "é" },
      });
      assert.deepEqual(await store.referrers(made[0]!.digest), []);
      assert.equal((await store.getManifest("v1")).descriptor.digest, digest);
    });

    test("takes what many push at once, each of it", async () => {
      await using at = await open();
      const { store } = at;
      const { digest, size, mediaType } = await putArtifact(store, bytesOf(100), { tag: "v1" });
      const tags = Array.from({ length: 4 }, (_, number) => `at-once-${number}`);
      await Promise.all(tags.map(async (tag, number) => await putArtifact(store, bytesOf(50_000, number % 2), { tag })));
      assert.deepEqual((await Array.fromAsync(store.tags())).filter((tag) => tag.startsWith("at-once")).toSorted(), tags);
      const subject = { mediaType, digest, size };
      for (const number of [1, 2]) await putArtifact(store, bytesOf(number), { subject });
      assert.equal((await store.referrers(digest)).length, 2);
    });

    test("ends when whoever asked does not want it any more", async () => {
      await using at = await open();
      const { store } = at;
      const bytes = bytesOf(3_000_000);
      await store.putBlob(describedAs(bytes), sourceOf(bytes));
      const stop = new AbortController();
      const reading = (async () => {
        for await (const _ of store.getBlob(describedAs(bytes), { signal: stop.signal })) stop.abort(new Error("enough"));
      })();
      await assert.rejects(reading, /enough/);
      const other = bytesOf(3_000_000, 9);
      const again = new AbortController();
      const source: BlobSource = async function* (from) {
        yield* sourceOf(other.subarray(0, 1_000_000))(from);
        again.abort(new Error("enough"));
        yield* sourceOf(other)(1_000_000);
      };
      await assert.rejects(store.putBlob(describedAs(other), source, { signal: again.signal }), /enough/);
      assert.equal(await store.hasBlob(describedAs(other)), false);
    });
  });
}
