/** Releases that are inspected and written, from folders and from a registry that fails in every way. */
import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, suite, test } from "node:test";
import { seededRandom } from "../../tests/crash/power-cut.ts";
import { faultyRegistry, NOW, Place, push, readerOf, type Pushed } from "../../tests/support/pushed-release.ts";
import type { Fault, TestRegistry } from "../../tests/support/registry.ts";
import { releaseImage, type ReleaseImage } from "../../tests/support/release-images.ts";
import { newKeyPair } from "../../tests/support/signing.ts";
import { testTools } from "../../tests/support/tools.ts";
import { bytesOfHex } from "../core/digest.ts";
import { sha256 } from "../host/sha256.ts";
import { zstdPack, zstdQuickPack, zstdUnpack, zstdUnpackPieces } from "../host/zstd.ts";
import { keyId } from "../layout/public-key.ts";
import { layoutStore } from "../registry/layout-store.ts";
import { parseReference, type Reference } from "../registry/reference.ts";
import type { ImageStore } from "../registry/store.ts";
import { addKey, firstKeys, revokeKey } from "../release/change-keys.ts";
import { commandWriter, type Command } from "../release/delta/commands.ts";
import { decodeDeltaHeader, deltaHeaderSize, encodeDeltaHeader, MAX_FRAME, type Frame } from "../release/delta/delta-header.ts";
import { makeDelta } from "../release/delta/make-delta.ts";
import type { ReleaseJudgement } from "./operations/ports.ts";
import { checkRelease, inspectRelease, writeRelease, type RunningImage } from "./registry-image.ts";

const [key, fresh, stranger] = [newKeyPair(), newKeyPair(), newKeyPair()];
const trusted = firstKeys([key.publicKey], sha256);

let old: ReleaseImage;
let wanted: ReleaseImage;
let delta: Uint8Array;
before(async () => {
  const tools = await testTools();
  old = await releaseImage(tools, "1.0.0");
  wanted = await releaseImage(tools, "1.1.0");
  delta = await deltaTo(wanted, old);
});
const imageOf = ({ bytes, read, found }: ReleaseImage) => ({
  image: { size: bytes.length, read },
  digest: bytesOfHex(found.digest),
});
async function deltaTo(image: ReleaseImage, from: ReleaseImage): Promise<Uint8Array> {
  const packers = { sha256, pack: zstdPack, quickPack: zstdQuickPack, unpack: zstdUnpackPieces };
  return (await makeDelta({ old: imageOf(from), new: imageOf(image), ...packers })).bytes;
}

async function folderStore() {
  const dir = await mkdtempDisposable(join(tmpdir(), "petrify-node-"));
  const folder = join(dir.path, "store");
  return {
    ...{ store: layoutStore(folder), reference: parseReference(`oci:${folder}:v1`) },
    [Symbol.asyncDispose]: async () => await dir.remove(),
  };
}
const running = (image: ReleaseImage): RunningImage => ({ image: readerOf(image.bytes), found: image.found });

const judgement = (more: Partial<ReleaseJudgement> = {}): ReleaseJudgement => ({
  running: { name: old.found.manifest.name, version: "1.0.0", created: NOW - 1000 },
  ...{ trusted, now: NOW, clockIsSet: true, told: [], ...more },
});
interface From {
  readonly store: ImageStore;
  readonly reference: Reference;
}
const inspect = async ({ store, reference }: From, more: Partial<ReleaseJudgement> = {}, runs?: RunningImage) =>
  await inspectRelease({ store, reference, judgement: judgement(more), running: runs });

/** zstd of 256 MiB of zeros. */
const BOMB = { packed: zstdQuickPack(Buffer.alloc(256 * 2 ** 20)), size: 100_000 } as const;
/** A delta whose first frame has this alone, for an image that is the right one. @param frames as the head is to have them */
function hostile(
  first: Command | typeof BOMB | { readonly packed: Uint8Array; readonly size: number },
  change = asTheyAre,
): Uint8Array {
  const header = decodeDeltaHeader(delta.subarray(0, deltaHeaderSize(delta)), delta.length, sha256);
  const bytes = "packed" in first ? first.packed : commandBytes(first);
  const none = { packing: "plain", packed: 0, size: 0 } as const;
  const stream =
    "packed" in first
      ? { packing: "zstd" as const, packed: bytes.length, size: first.size }
      : { packing: "plain" as const, packed: bytes.length, size: bytes.length };
  const bad: Frame = { segments: header.frames[0]!.segments, streams: [stream, none, none] };
  const rest = header.frames.slice(1);
  const frames = change([bad, ...rest.map(({ segments }): Frame => ({ segments, streams: [none, none, none] }))]);
  const body = frames.map(({ streams }) => (streams[0].packed > 0 ? bytes : new Uint8Array()));
  return Buffer.concat([encodeDeltaHeader({ ...header, frames }, sha256), ...body]);
}
const asTheyAre = (frames: readonly Frame[]): readonly Frame[] => frames;
function commandBytes(command: Command): Uint8Array {
  const writer = commandWriter();
  writer.write(0, command);
  return writer.bytes();
}
/** What is unpacked at once, at the most: a segment's packed form, or a frame of a delta. */
let unpacked = 0;
const unpack: typeof zstdUnpack = async (packed, limit) => {
  unpacked = Math.max(unpacked, limit);
  return await zstdUnpack(packed, limit);
};
const unpackPieces: typeof zstdUnpackPieces = async function* (packed) {
  let size = 0;
  for await (const piece of zstdUnpackPieces(packed)) {
    size += piece.length;
    unpacked = Math.max(unpacked, size);
    yield piece;
  }
};

async function write(from: From, place: Place, { runs, signal }: { runs?: RunningImage; signal?: AbortSignal } = {}) {
  const ways: string[] = [];
  const written: number[] = [];
  const downloaded = await writeRelease({
    ...{ store: from.store, reference: from.reference, digest: wanted.found.digest, running: runs },
    ...{ place: place.place, writer: place.writer, unpack, unpackPieces },
    turn: async () => await Promise.resolve(),
    written: (bytes) => void written.push(bytes),
    way: (text) => void ways.push(text),
    ...(signal ? { signal } : {}),
  });
  return { ways, written, downloaded };
}
const assertWritten = (place: Place): void => {
  const { length } = wanted.bytes;
  assert.ok(place.bytes.subarray(0, length).equals(wanted.bytes), "byte for byte the image, hash tree included");
  assert.ok(
    place.bytes.subarray(length).every((byte) => byte === 0x55),
    "and nothing else",
  );
  assert.ok(place.flushed > 0);
};
const newPlace = (): Place => new Place(wanted.bytes.length + 8192);

suite("a release is written", () => {
  test("whole, where nothing of it is there, with its hash tree, which nobody has sent", async () => {
    await using at = await folderStore();
    const { packed } = await push(at.store, wanted);
    const place = newPlace();
    const { ways, downloaded, written } = await write(at, place);
    assertWritten(place);
    assert.match(ways.join(), /^the whole image/);
    assert.equal(downloaded.of, packed);
    assert.ok(downloaded.bytes >= packed && downloaded.bytes < packed + 20_000, "documents besides");
    assert.ok(written.every((bytes, index) => index === 0 || bytes >= written[index - 1]!));
  });

  test("by a delta from what runs, by as many bytes as that has", async () => {
    await using at = await folderStore();
    await push(at.store, wanted, { delta: { bytes: delta, from: old.found.digest } });
    const place = newPlace();
    const { ways, downloaded } = await write(at, place, { runs: running(old) });
    assertWritten(place);
    assert.equal(ways.length, 1);
    assert.match(ways[0]!, /^a delta from the running image/);
    assert.ok(downloaded.bytes < delta.length + 20_000, String(downloaded.bytes));
  });

  test("without what the running image has, where there is no delta", async () => {
    await using at = await folderStore();
    const { packed } = await push(at.store, wanted);
    const place = newPlace();
    const same = { image: readerOf(wanted.bytes), found: wanted.found };
    const { downloaded } = await write(at, place, { runs: same });
    assertWritten(place);
    // Too small an image to be read for it.
    assert.ok(packed < 8 * 2 ** 20 || downloaded.bytes < 20_000);
  });

  test("from where it stopped: what is in its place is not fetched again, wherever that came from", async () => {
    await using at = await folderStore();
    await push(at.store, wanted);
    for (const there of [4, 12]) {
      const place = newPlace();
      place.bytes.set(wanted.bytes.subarray(0, there * 2 ** 20));
      const { downloaded } = await write(at, place);
      assertWritten(place);
      assert.ok(downloaded.bytes < downloaded.of, `${there} MiB were there`);
    }
    const whole = newPlace();
    whole.bytes.set(wanted.bytes);
    assert.ok((await write(at, whole)).downloaded.bytes < 20_000);
  });

  test("a stop anywhere leaves a place in which the next write goes on; what it had fetched is not fetched again", async () => {
    await using at = await folderStore();
    await push(at.store, wanted, { delta: { bytes: delta, from: old.found.digest } });
    for (const runs of [undefined, running(old)]) {
      for (const after of [1, 6]) {
        const place = newPlace();
        const stop = new AbortController();
        let writes = 0;
        const { write: inner } = place.writer;
        Object.assign(place.writer, {
          write: async (offset: number, bytes: Uint8Array) => {
            if (++writes === after) stop.abort(new Error("killed"));
            await inner(offset, bytes);
          },
        });
        await assert.rejects(write(at, place, { ...(runs ? { runs } : {}), signal: stop.signal }), /killed/);
        Object.assign(place.writer, { write: inner });
        await write(at, place, runs ? { runs } : {});
        assertWritten(place);
      }
    }
  });

  test("over whatever a power cut leaves: any blocks of it, and of what was there before", async () => {
    await using at = await folderStore();
    await push(at.store, wanted, { delta: { bytes: delta, from: old.found.digest } });
    const random = seededRandom(1);
    const SEGMENT = 4 * 1024 ** 2;
    for (let cut = 0; cut < 3; cut++) {
      const place = newPlace();
      place.bytes.set(old.bytes);
      for (let start = 0; start < wanted.bytes.length; start += SEGMENT) {
        const survives = random() < 0.6 ? 1 : random(); // of its blocks
        for (let block = start; block < Math.min(start + SEGMENT, wanted.bytes.length); block += 4096) {
          if (random() < survives) place.bytes.set(wanted.bytes.subarray(block, block + 4096), block);
        }
      }
      await write(at, place, { runs: running(old) });
      assert.ok(place.bytes.subarray(0, wanted.bytes.length).equals(wanted.bytes));
    }
  });

  test("over anything: what lies in its place by chance or from another image is replaced", async () => {
    await using at = await folderStore();
    await push(at.store, wanted);
    const place = newPlace();
    place.bytes.set(old.bytes);
    await write(at, place);
    assert.ok(place.bytes.subarray(0, wanted.bytes.length).equals(wanted.bytes));
  });
});

suite("a delta that is of no use is given up for segments, and the image is whole all the same", () => {
  const cut = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.length - 1000);
  const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, bytes[at]! ^ 1);
  const cases: readonly (readonly [string, () => Uint8Array | Promise<Uint8Array>, RegExp])[] = [
    ["of another format", () => delta.with(8, 9), /format 9/],
    ["no delta at all", () => new Uint8Array(5000), /does not begin as one/],
    ["cut short", () => cut(delta), /given up/],
    ["with a bit that is wrong near its end", () => flipped(delta, delta.length - 500), /given up/],
    ["that makes another image", async () => await deltaTo(old, old), /does not make the image of this release/],
    // Heads whose digest is right: whoever makes them can say what he likes.
    [
      "that copies from beyond the old image",
      () => hostile({ kind: "copy", length: 4096, from: 2 ** 40 }),
      /given up: .*outside|given up/,
    ],
    ["that copies more than its segment holds", () => hostile({ kind: "copy", length: 64 * 2 ** 20, from: 0 }), /given up/],
    ["whose bomb unpacks to more than it says", () => hostile(BOMB), /given up: this is not a sound delta/],
    ["whose bomb says what it unpacks to", () => hostile({ ...BOMB, size: 2 ** 32 - 1 }), /given up: .*a frame is too large/],
    [
      "whose frames hold one segment twice",
      () => hostile({ kind: "zero", length: 4096 }, (frames) => [...frames, ...frames]),
      /given up: .*its frames do not hold its segments/,
    ],
    [
      "whose frames leave a segment out",
      () => hostile({ kind: "zero", length: 4096 }, (frames) => frames.slice(1)),
      /given up: .*its frames do not hold its segments/,
    ],
  ];
  for (const [name, bytes, why] of cases) {
    test(name, async () => {
      await using at = await folderStore();
      await push(at.store, wanted, { delta: { bytes: await bytes(), from: old.found.digest } });
      const place = newPlace();
      const { ways } = await write(at, place, { runs: running(old) });
      assertWritten(place);
      assert.equal(ways.length, 2);
      assert.match(ways[1]!, why);
      assert.ok(unpacked > 0 && unpacked <= MAX_FRAME, `${unpacked} bytes are unpacked at once`);
    });
  }

  test("from an image that has rotted meanwhile", async () => {
    await using at = await folderStore();
    await push(at.store, wanted, { delta: { bytes: delta, from: old.found.digest } });
    const rotten = Buffer.from(old.bytes);
    for (let byte = 2 ** 20; byte < rotten.length; byte += 4096) rotten[byte]! ^= 0xff;
    const place = newPlace();
    const { ways } = await write(at, place, { runs: { image: readerOf(rotten), found: old.found } });
    assertWritten(place);
    assert.match(ways[1]!, /given up/);
  });

  test("from an image that cannot be read any more", async () => {
    await using at = await folderStore();
    await push(at.store, wanted, { delta: { bytes: delta, from: old.found.digest } });
    const read = async (): Promise<Uint8Array> => await Promise.reject(Object.assign(new Error("EIO"), { code: "EIO" }));
    const place = newPlace();
    await write(at, place, { runs: { image: { size: old.bytes.length, read }, found: old.found } });
    assertWritten(place);
  });

  test("one from another image is not even fetched", async () => {
    await using at = await folderStore();
    await push(at.store, wanted, { delta: { bytes: delta, from: "ab".repeat(32) } });
    const place = newPlace();
    const { ways } = await write(at, place, { runs: running(old) });
    assertWritten(place);
    assert.match(ways.join(), /^the whole image/);
  });
});

suite("a registry that", () => {
  const isBlob = (url: string): boolean => url.includes("/blobs/");
  test("cuts every connection after a while is read to the end", async () => {
    await using at = await faultyRegistry();
    await push(at.store, wanted);
    let count = 0;
    at.fail(({ url, method }): Fault | undefined =>
      method === "GET" && isBlob(url) && ++count % 2 === 1 ? { cutAfter: 100_000 } : undefined,
    );
    const place = newPlace();
    await write(at, place);
    assertWritten(place);
  });

  test("is away for good is an error that passes; the next try goes on where it stopped", async () => {
    await using at = await faultyRegistry();
    const { packed } = await push(at.store, wanted);
    const place = newPlace();
    let blobs = 0;
    at.fail(({ url, method }) => (method === "GET" && isBlob(url) && ++blobs > 4 ? { status: 503 } : undefined));
    await assert.rejects(write(at, place), { code: "REGISTRY_UNREACHABLE" });
    at.fail(undefined);
    const { downloaded } = await write(at, place);
    assertWritten(place);
    assert.ok(downloaded.bytes < packed);
  });

  for (const [name, change] of [
    ["gives other bytes", (body: Buffer) => Buffer.alloc(body.length)],
    ["gives fewer bytes", (body: Buffer) => body.subarray(0, body.length - 1)],
  ] as const) {
    test(`${name} for a segment is not believed`, async () => {
      await using at = await faultyRegistry();
      await push(at.store, wanted);
      at.fail(({ url }) =>
        isBlob(url) && blobsOf(at.registry, "application/vnd.petrify.segment.v1+zstd").has(url.split("/").at(-1)!)
          ? { change }
          : undefined,
      );
      const place = newPlace();
      await assert.rejects(write(at, place), (error: { code?: string }) =>
        /^REGISTRY_(INVALID|UNREACHABLE)$/.test(error.code ?? ""),
      );
      assertOnlyImage(place);
    });
  }

  test("has other bytes in a segment's packed form, which is listed all the same: nothing of it is written", async () => {
    await using at = await folderStore();
    let count = 0;
    // As somebody would who can write lists, but not images.
    const liar = (bytes: Uint8Array): Uint8Array => (++count === 2 ? Buffer.alloc(bytes.length, 0xaa) : bytes);
    await push(at.store, wanted, { pack: liar });
    const place = newPlace();
    await assert.rejects(write(at, place), { code: "RELEASE_INVALID" });
    assertOnlyImage(place);
  });

  test("has the segments of another image under a manifest fails before the slot could be taken for whole", async () => {
    await using at = await folderStore();
    await push(at.store, { ...wanted, read: old.read });
    await assert.rejects(write(at, newPlace()), { code: "RELEASE_INVALID" });
  });
});

test("a disk that fails ends the write with its own error", async () => {
  await using at = await folderStore();
  await push(at.store, wanted, { delta: { bytes: delta, from: old.found.digest } });
  const place = newPlace();
  place.broken = 5 * 2 ** 20;
  await assert.rejects(write(at, place), { code: "EIO" });
  await assert.rejects(write(at, place, { runs: running(old) }), { code: "EIO" });
});

suite("a release is checked", () => {
  const check = async ({ store, reference }: From) =>
    await checkRelease({ store, reference, digest: wanted.found.digest, unpack, progress: () => {} });
  test("and is whole, or says what of it is not", async () => {
    await using at = await faultyRegistry();
    await push(at.store, wanted);
    assert.equal(await check(at), undefined);
    const segments = [...blobsOf(at.registry, "application/vnd.petrify.segment.v1+zstd")];
    const last = segments.at(-1)!;
    for (const [fault, why] of [
      [{ status: 404 }, /is not there/],
      [{ change: (body: Buffer) => body.with(7, body[7]! ^ 1) as Buffer }, /other bytes/],
    ] as const) {
      at.fail(({ url, method }) => (method === "GET" && url.endsWith(last) ? fault : undefined));
      assert.match((await check(at)) ?? "", why);
    }
    at.fail(() => ({ status: 403 }));
    await assert.rejects(check(at), { code: "REGISTRY_DENIED" });
  });
  test("and is damaged where its segments are another image's", async () => {
    await using at = await folderStore();
    await push(at.store, { ...wanted, read: old.read });
    assert.match((await check(at)) ?? "", /root hash/);
  });
});

suite("a machine with keys", () => {
  test("takes what one of them has signed, keeps to its digest, and says how it would come", async () => {
    await using at = await folderStore();
    const { index } = await push(at.store, wanted, {
      signedBy: [stranger, key],
      delta: { bytes: delta, from: old.found.digest },
    });
    const found = await inspect(at, {}, running(old));
    assert.deepEqual(
      [found.image.version, found.image.digest, found.image.size],
      ["1.1.0", wanted.found.digest, wanted.bytes.length],
    );
    assert.equal(found.trust, `signed by ${keyId(key.publicKey, sha256)}`);
    assert.ok(found.source.is === "registry" && found.source.reference.endsWith(`@${index.digest}`));
    assert.match(found.delivery!.way, /^a delta from the running image/);
    assert.deepEqual([found.release?.created, found.release?.keys], [NOW - 100, undefined]);
    // A tag that is moved changes nothing, and another image under the digest's name is none.
    await push(at.store, old);
    const pinned = { store: at.store, reference: parseReference(found.source.reference) };
    assert.equal((await inspect(pinned)).image.version, "1.1.0");
    const place = newPlace();
    await assert.rejects(write(at, place), { code: "IMAGE_CHANGED" });
    assert.equal(place.flushed, 0);
    await write(pinned, place);
    assertWritten(place);
  });

  const next = addKey(trusted, fresh.publicKey, sha256);
  const revoked = revokeKey(next, keyId(key.publicKey, sha256), NOW - 500);
  const refused: readonly (readonly [string, Pushed, Partial<ReleaseJudgement>, string | undefined])[] = [
    ["nobody has signed", {}, {}, "RELEASE_UNSIGNED"],
    ["a stranger has signed", { signedBy: [stranger] }, {}, "KEY_UNKNOWN"],
    ["a revoked key has signed", { signedBy: [key] }, { trusted: revoked }, "KEY_REVOKED"],
    ["has expired", { signedBy: [key], facts: { expires: () => NOW - 1 } }, {}, "RELEASE_EXPIRED"],
    ["has expired, as told", { signedBy: [key], facts: { expires: () => NOW - 1 } }, { told: ["expired"] }, undefined],
    ["expires, without a clock", { signedBy: [key], facts: { expires: () => NOW + 9 } }, { clockIsSet: false }, "CLOCK_NOT_SET"],
    ["is of another name", { signedBy: [key] }, { running: { name: "other", version: "1", created: 0 } }, "RELEASE_OTHER_IMAGE"],
    [
      "revives a revoked key",
      { signedBy: [fresh], facts: { keys: addKey(addKey(next, stranger.publicKey, sha256), newKeyPair().publicKey, sha256) } },
      { trusted: revoked },
      "KEYS_REVIVED",
    ],
    ["nobody has signed, where no key is asked for", {}, { trusted: undefined }, undefined],
  ];
  for (const [name, pushed, more, code] of refused) {
    test(`is asked about a release that ${name}: ${code ?? "yes"}`, async () => {
      await using at = await folderStore();
      await push(at.store, wanted, pushed);
      if (code === undefined) await inspect(at, more);
      else await assert.rejects(inspect(at, more), { code });
    });
  }

  test("does not take an old release again, however well it is signed, unless told", async () => {
    await using at = await folderStore();
    await push(at.store, old, { signedBy: [key], facts: { created: NOW - 5000 } });
    const runs = { running: { name: wanted.found.manifest.name, version: "1.1.0", created: NOW - 100 } };
    await assert.rejects(inspect(at, runs), { code: "RELEASE_OLDER" });
    assert.equal((await inspect(at, { ...runs, told: ["older"] })).image.version, "1.0.0");
  });

  test("is brought the next keys by a release that one of them has signed", async () => {
    await using at = await folderStore();
    await push(at.store, wanted, { signedBy: [key], facts: { keys: next } });
    assert.deepEqual((await inspect(at)).release?.keys, next);
  });
});

/** Digests of the blobs of all manifests that have this type. */
function blobsOf(registry: TestRegistry, mediaType: string): ReadonlySet<string> {
  const digests = new Set<string>();
  for (const { bytes } of registry.repository("team/os").manifests.values()) {
    const { layers = [] } = JSON.parse(bytes.toString()) as { layers?: { mediaType: string; digest: string }[] };
    for (const layer of layers) if (layer.mediaType === mediaType) digests.add(layer.digest);
  }
  return digests;
}
/** Whatever was written is of the image. */
function assertOnlyImage({ bytes }: Place): void {
  for (let at = 0; at < wanted.bytes.length; at += 4096) {
    const block = bytes.subarray(at, at + 4096);
    assert.ok(block.every((byte) => byte === 0x55) || block.equals(wanted.bytes.subarray(at, at + 4096)), `block at ${at}`);
  }
}
