import assert from "node:assert/strict";
import { mkdtempDisposable, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { releaseImage, type ReleaseImage } from "../../tests/support/release-images.ts";
import { testTools } from "../../tests/support/tools.ts";
import { hex } from "../core/digest.ts";
import { MiB } from "../core/units.ts";
import { resumableFile } from "../host/resumable-file.ts";
import { sha256 } from "../host/sha256.ts";
import { zstdPackSegment, zstdQuickPack, zstdUnpack } from "../host/zstd.ts";
import { OCI_MEDIA } from "../layout/oci-image.ts";
import { referrer } from "../release/oci-artifact.ts";
import { DELTA_KEYS, DELTA_MEDIA, RELEASE_MEDIA, releaseIndex, releaseManifest } from "../release/release-artifact.ts";
import { encodeRelease, type Release } from "../release/release.ts";
import { encodeSegments, imageLayout, LARGEST_LIST, SEGMENT_SIZE, type SegmentList } from "../release/segments.ts";
import { BUNDLE_MEDIA } from "../release/sigstore-bundle.ts";
import { signatureImage, signatureTag } from "../release/simple-signing.ts";
import { layoutStore } from "./layout-store.ts";
import { findDeltas, findSignatures, openRelease, readSegments } from "./open-release.ts";
import { pullImage } from "./pull-release.ts";
import { pushReferrers, pushRelease, type PushInput, type PushedRelease } from "./push-release.ts";
import { StoreError } from "./errors.ts";
import type { ImageStore } from "./store.ts";

const NOW = 1_900_000_000;
const architecture = "x86-64";
let one: ReleaseImage;
let two: ReleaseImage;
before(async () => {
  const tools = await testTools();
  one = await releaseImage(tools, "1.0.0");
  two = await releaseImage(tools, "1.1.0");
});

async function place() {
  const dir = await mkdtempDisposable(join(tmpdir(), "petrify-push-"));
  return { folder: dir.path, store: layoutStore(join(dir.path, "store")), [Symbol.asyncDispose]: async () => await dir.remove() };
}
async function push(
  store: ImageStore,
  image: ReleaseImage,
  more: Partial<PushInput> = {},
): Promise<PushedRelease & { packs: number }> {
  let packs = 0;
  const pack = async (bytes: Uint8Array): Promise<Uint8Array> => {
    packs++;
    return zstdQuickPack(bytes);
  };
  const pushed = await pushRelease({ store, tag: "v1", image, found: image.found, facts: { created: NOW }, pack, ...more });
  await pushed.publish();
  return { ...pushed, packs };
}
async function pull(store: ImageStore, folder: string, more: Partial<Parameters<typeof pullImage>[0]> = {}) {
  const found = await openRelease(store, "v1", { architecture });
  const list = await readSegments(store, found);
  await using target = await resumableFile(join(folder, "out.img"), "key", list.imageSize);
  const pulled = await pullImage({ store, found, list, target, unpack: zstdUnpack, ...more });
  return { ...pulled, bytes: Buffer.from(await target.read(0, list.imageSize)), found, list };
}

test("what is pushed is pulled again, byte for byte, without its hash tree having been sent", async () => {
  await using at = await place();
  const { release, packed } = await push(at.store, one, {
    facts: { created: NOW, channel: "beta", expires: (from) => from + 60 },
  });
  assert.deepEqual([release.created, release.expires, release.channel], [NOW, NOW + 60, "beta"]);
  const { bytes, fetched, list, found } = await pull(at.store, at.folder);
  assert.ok(bytes.equals(one.bytes));
  assert.equal(fetched, packed);
  assert.equal(found.release.version, "1.0.0");
  assert.ok(
    list.segments.some((segment) => !segment.packed),
    "a segment of zeros is not sent",
  );
  assert.ok(packed < one.bytes.length - 8 * MiB);
});

test("an image is cut finer where somebody says so", async () => {
  await using at = await place();
  await push(at.store, one, { segmentSize: MiB });
  const { bytes, list } = await pull(at.store, at.folder);
  assert.ok(bytes.equals(one.bytes));
  assert.deepEqual([list.segmentSize, list.segments.length], [MiB, Math.ceil((list.imageSize - list.omitted.length) / MiB)]);
});

test("the same image again changes nothing and packs nothing; another channel is another release", async () => {
  await using at = await place();
  const first = await push(at.store, one);
  const files = await readdir(join(at.folder, "store/blobs/sha256"));
  const again = await push(at.store, one, { facts: { created: NOW + 5 } });
  assert.deepEqual([first.changed, again.changed, again.packs, again.sent], [true, false, 0, 0]);
  assert.equal(again.release.created, NOW);
  assert.deepEqual(await readdir(join(at.folder, "store/blobs/sha256")), files);
  const other = await push(at.store, one, { facts: { created: NOW + 5, channel: "beta" } });
  assert.deepEqual([other.changed, other.packs, other.release.created], [true, 0, NOW + 5]);
});

test("that it is a security release is part of what is signed", async () => {
  await using at = await place();
  const plain = await push(at.store, one);
  const security = await push(at.store, one, { facts: { created: NOW + 5, security: true } });
  assert.deepEqual([plain.release.security, security.release.security, security.changed], [undefined, true, true]);
  assert.notEqual(plain.index.digest, security.index.digest);
});

test("a release that has expired is made anew by the same push", async () => {
  await using at = await place();
  const expires = (created: number): number => created + 100;
  await push(at.store, one, { facts: { created: NOW, expires } });
  assert.equal((await push(at.store, one, { facts: { created: NOW + 99, expires } })).changed, false);
  const { changed, release } = await push(at.store, one, { facts: { created: NOW + 100, expires } });
  assert.deepEqual([changed, release.created, release.expires], [true, NOW + 100, NOW + 200]);
});

test("of the next version only segments that are new are packed and sent", async () => {
  await using at = await place();
  const first = await push(at.store, one);
  const second = await push(at.store, two);
  assert.ok(second.packs < first.packs, `${second.packs} of ${first.packs}`);
  assert.ok(second.sent < second.packed);
  assert.equal((await openRelease(at.store, "v1", { architecture })).release.version, "1.1.0");
});

test("what a release of another tag has packed is not packed again, and what cannot be read is no reason to fail", async () => {
  await using at = await place();
  await push(at.store, one, { tag: "1.0.0" });
  const stable = await push(at.store, one, { tag: "stable" });
  assert.deepEqual([stable.changed, stable.packs, stable.sent], [true, 0, 0]);
  const alone = (await push(layoutStore(join(at.folder, "alone")), two)).packs;
  const next = await push(at.store, two, { tag: "1.1.0" });
  assert.ok(next.packs < alone, `${next.packs} of ${alone}`);
  const mute: ImageStore = {
    ...at.store,
    async *tags() {
      yield "1.0.0";
      throw new StoreError("REGISTRY_REFUSED", "no list of tags");
    },
  };
  assert.equal((await push(mute, two, { tag: "again" })).changed, true);
});

test("a push that is cut leaves the tag as it was, and another one sends what is missing", async () => {
  await using at = await place();
  let first: ReturnType<ImageStore["putBlob"]> | undefined;
  const cut: ImageStore = {
    ...at.store,
    putBlob: async (...args) => {
      if (!first) return await (first = at.store.putBlob(...args));
      await first;
      throw new Error("cut");
    },
  };
  await assert.rejects(push(cut, one), { message: "cut" });
  assert.equal(await at.store.headManifest("v1"), undefined);
  const { sent, packed } = await push(at.store, one);
  assert.ok(sent > 0 && sent < packed);
  assert.ok((await pull(at.store, at.folder)).bytes.equals(one.bytes));
});

test("the tag leads to a release only when everything beside it is there", async () => {
  await using at = await place();
  const { store } = at;
  const input = {
    store,
    tag: "v1",
    image: one,
    found: one.found,
    facts: { created: NOW },
    pack: async (bytes: Uint8Array) => zstdQuickPack(bytes),
  };
  const about = () => [{ artifactType: "application/spdx+json", bytes: Buffer.from("{}"), annotations: {} }];
  const { index, publish } = await pushRelease({ ...input, about });
  assert.equal(await store.headManifest("v1"), undefined);
  assert.equal((await store.referrers(index.digest)).length, 1);
  assert.ok(await store.headManifest(index.digest));
  await publish();
  assert.equal((await store.headManifest("v1"))?.digest, index.digest);
  await (await pushRelease({ ...input, about })).publish();
  assert.equal((await store.referrers(index.digest)).length, 1, "what is said about it is said once");
});

test("a pull that is cut keeps what it has, and another one fetches the rest", async () => {
  await using at = await place();
  const { packed } = await push(at.store, one);
  const { segments } = await readSegments(at.store, await openRelease(at.store, "v1", { architecture }));
  const unpack = async (bytes: Uint8Array, limit: number): Promise<Uint8Array> => {
    if (segments[0]!.packed!.digest !== `sha256:${hex(sha256.digest(bytes))}`)
      throw Object.assign(new Error("cut"), { code: "X" });
    return await zstdUnpack(bytes, limit);
  };
  await assert.rejects(pull(at.store, at.folder, { unpack }), { code: "RELEASE_INVALID" });
  const { bytes, fetched } = await pull(at.store, at.folder);
  assert.ok(bytes.equals(one.bytes));
  assert.ok(fetched > 0 && fetched < packed, `${fetched} of ${packed}`);
});

/** A release with changes that its pusher made: digests are right, contents are not. */
async function forged(
  store: ImageStore,
  change: (list: SegmentList) => SegmentList,
  more: Partial<Release> = {},
  packList: (bytes: Uint8Array) => Promise<Uint8Array> = zstdPackSegment,
): Promise<void> {
  await push(store, one);
  const found = await openRelease(store, "v1", { architecture });
  const put = async (bytes: Uint8Array) => {
    const descriptor = { digest: `sha256:${hex(sha256.digest(bytes))}`, size: bytes.length };
    await store.putBlob(descriptor, async function* () {
      yield bytes;
    });
    return descriptor;
  };
  const list = await put(await packList(encodeSegments(change(await readSegments(store, found)))));
  const release = await put(encodeRelease({ ...found.release, segments: list, ...more }, sha256));
  const manifest = await store.putManifest(releaseManifest({ release, list, segments: [] }), OCI_MEDIA.manifest);
  const index = releaseIndex({ container: undefined, release: manifest, architecture, annotations: {} });
  await store.putManifest(index, OCI_MEDIA.index, { tag: "v1" });
}
const swapped = ({ segments, ...list }: SegmentList): SegmentList => ({
  ...list,
  segments: [segments[1]!, segments[0]!, ...segments.slice(2)],
});
for (const [what, packList] of [
  ["not packed", async (bytes: Uint8Array) => await Promise.resolve(bytes)],
  ["cut short", async (bytes: Uint8Array) => (await zstdPackSegment(bytes)).subarray(0, -1)],
  ["larger unpacked than a list may be", async () => await zstdPackSegment(new Uint8Array(2 * LARGEST_LIST))],
] as const) {
  test(`a list of segments that is ${what} is refused`, async () => {
    await using at = await place();
    await forged(at.store, (list) => list, {}, packList);
    const found = await openRelease(at.store, "v1", { architecture });
    await assert.rejects(readSegments(at.store, found), {
      code: "RELEASE_INVALID",
      message: /list of segments: cannot be unpacked/,
    });
  });
}

describe("what is not what the release says is refused:", () => {
  for (const [what, change, message] of [
    ["segments in another order", swapped, /root hash/],
    [
      "a segment's SHA-256 that its blob does not have",
      ({ segments, ...list }: SegmentList) => ({
        ...list,
        segments: [{ ...segments[0]!, sha256: "00".repeat(32) }, ...segments.slice(1)],
      }),
      /segment 0 of the image is not what the release says/,
    ],
    [
      "zeros where the image has none",
      ({ segments, ...list }: SegmentList) => ({ ...list, segments: [{ sha256: segments[0]!.sha256 }, ...segments.slice(1)] }),
      /segment 0 of the image is not what the release says/,
    ],
    [
      "another place of the hash tree",
      (list: SegmentList) => ({ ...list, omitted: { ...list.omitted, start: list.omitted.start - 4096 } }),
      /is of another image/,
    ],
    ["another size of the image", (list: SegmentList) => ({ ...list, imageSize: list.imageSize - 4096 }), /is of another image/],
  ] as const) {
    test(what, async () => {
      await using at = await place();
      await forged(at.store, change);
      await assert.rejects(pull(at.store, at.folder), { code: "RELEASE_INVALID", message });
    });
  }
  test("a byte outside the root file system that the list answers for, and the manifest does not", async () => {
    await using at = await place();
    const where = imageLayout(one.found.manifest, sha256).root.start - 1;
    const index = Math.floor(where / SEGMENT_SIZE);
    const bytes = Buffer.from(one.bytes.subarray(index * SEGMENT_SIZE, (index + 1) * SEGMENT_SIZE));
    bytes[where % SEGMENT_SIZE]! ^= 1;
    const blob = zstdQuickPack(bytes);
    const packed = { digest: `sha256:${hex(sha256.digest(blob))}`, size: blob.length };
    await at.store.putBlob(packed, async function* () {
      yield blob;
    });
    await forged(at.store, (list) => ({
      ...list,
      segments: list.segments.with(index, { sha256: hex(sha256.digest(bytes)), packed }),
    }));
    await assert.rejects(pull(at.store, at.folder), { code: "RELEASE_INVALID", message: /the image is not whole/ });
  });
  test("a list of segments that the release does not name", async () => {
    await using at = await place();
    await forged(at.store, swapped, { segments: { digest: `sha256:${"0".repeat(64)}`, size: 3 } });
    await assert.rejects(openRelease(at.store, "v1", { architecture }), {
      code: "RELEASE_INVALID",
      message: /not the one that the release names/,
    });
  });
});

test("what is no release, or none for the machine, is told apart", async () => {
  await using at = await place();
  const open = async (tag: string, of = architecture) => await openRelease(at.store, tag, { architecture: of });
  const put = async (value: object, tag: string, type: string = OCI_MEDIA.index): Promise<void> =>
    void (await at.store.putManifest(
      new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType: type, ...value })),
      type,
      { tag },
    ));
  await push(at.store, one);
  await assert.rejects(open("v1", "arm64"), { code: "RELEASE_NO_ARCHITECTURE", message: /arm64, only for x86-64/ });
  await assert.rejects(open("v2"), { code: "REGISTRY_NOT_FOUND" });
  await put({ manifests: [] }, "empty");
  await assert.rejects(open("empty"), { code: "RELEASE_NOT_FOUND" });
  await put({ config: { mediaType: "x", digest: `sha256:${"0".repeat(64)}`, size: 1 }, layers: [] }, "plain", OCI_MEDIA.manifest);
  await assert.rejects(open("plain"), { code: "RELEASE_NOT_FOUND" });
  const entry = {
    ...{ mediaType: OCI_MEDIA.manifest, digest: `sha256:${"0".repeat(64)}`, size: 1, artifactType: RELEASE_MEDIA },
    annotations: { "petrify.architecture": architecture },
  };
  await put({ manifests: [entry, entry] }, "double");
  await assert.rejects(open("double"), { code: "RELEASE_INVALID", message: /several/ });
  await put({ manifests: [entry] }, "dangling");
  await assert.rejects(open("dangling"), { code: "REGISTRY_NOT_FOUND" });
  const { manifest } = await open("v1");
  await put({ manifests: [{ ...entry, digest: manifest.digest, size: manifest.size + 1 }] }, "size");
  await assert.rejects(open("size"), { code: "REGISTRY_INVALID", message: /not what it is listed as/ });
});

test("deltas are found by the image that they are from, and what is none is passed over", async () => {
  await using at = await place();
  const { manifest: subject } = await push(at.store, one);
  const from = "ab".repeat(32);
  const delta = (annotations: Readonly<Record<string, string>>, text: string) =>
    referrer({ subject, artifactType: DELTA_MEDIA, bytes: Buffer.from(text), annotations, sha256 });
  await pushReferrers(
    at.store,
    subject,
    [
      delta({ [DELTA_KEYS.from]: from, [DELTA_KEYS.version]: "0.9.0" }, "a delta"),
      delta({ [DELTA_KEYS.from]: "cd".repeat(32) }, "another"),
      delta({}, "from nowhere"),
    ],
    undefined,
  );
  const found = await openRelease(at.store, "v1", { architecture });
  assert.equal((await findDeltas(at.store, found)).length, 2);
  const [only, ...more] = await findDeltas(at.store, found, { from });
  assert.deepEqual(more, []);
  assert.deepEqual([only!.from, only!.fromVersion, only!.size], [from, "0.9.0", 7]);
  assert.equal(Buffer.concat(await Array.fromAsync(at.store.getBlob(only!.descriptor))).toString(), "a delta");
});

test("a bundle that is listed by the type of its empty config, as cosign 3 lists its own, is found", async () => {
  await using at = await place();
  const { index } = await push(at.store, one);
  const artifact = referrer({
    subject: index,
    artifactType: BUNDLE_MEDIA,
    bytes: Buffer.from("a bundle"),
    annotations: {},
    sha256,
  });
  const { artifactType: _, ...untyped } = JSON.parse(new TextDecoder().decode(artifact.manifest)) as Record<string, unknown>;
  const manifest = new TextEncoder().encode(JSON.stringify(untyped));
  await pushReferrers(at.store, index, [{ ...artifact, manifest }], undefined);
  const { bundles } = await findSignatures(at.store, index);
  assert.deepEqual(
    bundles.map((bundle) => Buffer.from(bundle).toString()),
    ["a bundle"],
  );
});

test("signatures are found in both forms, and one that cannot be read does not hide the others", async () => {
  await using at = await place();
  const { index } = await push(at.store, one);
  assert.deepEqual(await findSignatures(at.store, index), { simple: [], bundles: [] });
  const simple = { payload: Buffer.from("payload"), signature: Uint8Array.from([1, 2, 3]) };
  const { manifest, blobs } = signatureImage([simple], sha256);
  for (const { descriptor, bytes } of blobs) {
    await at.store.putBlob(descriptor, async function* () {
      yield bytes;
    });
  }
  await at.store.putManifest(new TextEncoder().encode('{"layers":0}'), OCI_MEDIA.manifest, { tag: signatureTag(index.digest) });
  await assert.rejects(findSignatures(at.store, index), { code: "SIGNATURE_INVALID" });
  await pushReferrers(
    at.store,
    index,
    [referrer({ subject: index, artifactType: BUNDLE_MEDIA, bytes: Buffer.from("a bundle"), annotations: {}, sha256 })],
    undefined,
  );
  const { bundles } = await findSignatures(at.store, index);
  assert.deepEqual(
    bundles.map((bundle) => Buffer.from(bundle).toString()),
    ["a bundle"],
  );
  await at.store.putManifest(manifest, OCI_MEDIA.manifest, { tag: signatureTag(index.digest) });
  const {
    simple: [found],
  } = await findSignatures(at.store, index);
  assert.equal(Buffer.from(found!.payload).toString(), "payload");
  assert.deepEqual([...found!.signature], [1, 2, 3]);
});
