import assert from "node:assert/strict";
import { test } from "node:test";
import { noise } from "../../tests/support/small-image.ts";
import { hex, type SegmentDigests, type Sha256 } from "../core/digest.ts";
import { MiB } from "../core/units.ts";
import { sha256 } from "../host/sha256.ts";
import { assembleImage, type AssembleInput } from "./assemble-image.ts";
import { verityBuilder } from "./build-verity.ts";
import type { Manifest } from "./manifest.ts";
import { deliveredSize, imageLayout, placesInImage, segmentAt, type SegmentList } from "./segments.ts";

const SALT = "5a".repeat(32);
const SEGMENT = 4 * MiB;

/** An image with a root of 10 MiB and noise in everything that is delivered. */
function noisyImage() {
  const root = noise(10 * MiB, "root");
  const builder = verityBuilder({ rootSize: root.length, salt: SALT, sha256 });
  builder.add(root);
  const verity = builder.finish();
  const sizes = { boot: MiB, root: root.length, rootVerity: verity.bytes.length, image: 0 };
  const manifest = { sizes, rootHash: verity.rootHash, veritySalt: SALT } as Manifest;
  const { size, omitted, root: place } = imageLayout(manifest, sha256);
  const bytes = noise(size, "rest");
  bytes.set(root, place.start);
  bytes.set(verity.bytes, omitted.start);
  const cut = { format: 1, imageSize: size, segmentSize: SEGMENT, omitted, segments: [] } as SegmentList;
  const segments = Array.from({ length: Math.ceil(deliveredSize(cut) / SEGMENT) }, (_, index) => {
    const segment = new Uint8Array(segmentAt(cut, index).length);
    for (const { start, length, inSegment } of placesInImage(cut, index))
      segment.set(bytes.subarray(start, start + length), inSegment);
    return segment;
  });
  const list: SegmentList = { ...cut, segments: segments.map((one) => ({ sha256: hex(sha256.digest(one)) })) };
  return { bytes, manifest, list, segments };
}

const image = noisyImage();

/** @param write called before each write to the place, which is empty at first */
async function assembly(write: () => Promise<void>, hash: Sha256 = sha256, more: Partial<AssembleInput> = {}) {
  const place = new Uint8Array(image.bytes.length);
  const input: AssembleInput = {
    ...{ list: image.list, manifest: image.manifest, sha256: hash, durable: () => {} },
    place: { size: place.length, read: async (offset, length) => await Promise.resolve(place.slice(offset, offset + length)) },
    writer: {
      write: async (offset, bytes) => {
        await write();
        place.set(bytes, offset);
      },
      flush: async () => await Promise.resolve(),
    },
    ...more,
  };
  return { place, ...(await assembleImage(input)) };
}

test("a segment whose write failed at any piece of it comes again, and the tree has it once", async () => {
  for (const failing of [1, 2, 6, 12]) {
    let writes = 0;
    const { place, add, finish } = await assembly(async () => {
      if (++writes === failing) throw Object.assign(new Error("no medium"), { code: "EIO" });
      await Promise.resolve();
    });
    let failures = 0;
    for (const segment of image.segments) {
      await add(segment).catch(async (error: NodeJS.ErrnoException) => {
        assert.equal(error.code, "EIO");
        failures++;
        await add(segment);
      });
    }
    assert.equal(failures, 1);
    await finish();
    assert.deepEqual(sha256.digest(place), sha256.digest(image.bytes));
  }
});

test("blocks are hashed while they are written, and what is not the list's is not written at all", async () => {
  let hashed = 0;
  let meanwhile = 0;
  const counting: Sha256 = {
    ...sha256,
    digest: (bytes) => {
      hashed++;
      return sha256.digest(bytes);
    },
  };
  let writes = 0;
  const { place, add, count, finish } = await assembly(async () => {
    writes++;
    const before = hashed;
    await Promise.resolve();
    meanwhile += hashed - before;
  }, counting);
  await assert.rejects(add(noise(SEGMENT, "other")), { code: "RELEASE_INVALID" });
  assert.deepEqual([writes, count()], [0, 0]);
  for (const segment of image.segments) await add(segment);
  assert.ok(meanwhile >= (10 * MiB) / 4096, `${meanwhile} of them`);
  await finish();
  assert.deepEqual(sha256.digest(place), sha256.digest(image.bytes));
});

/** As threads have them that unpack: src/host/unpack-threads.ts. */
function digestsOf(bytes: Uint8Array): SegmentDigests {
  const salt = Buffer.from(SALT, "hex");
  const blocks = Array.from({ length: Math.floor(bytes.length / 4096) }, (_, index) =>
    sha256.digest(Buffer.concat([salt, bytes.subarray(index * 4096, (index + 1) * 4096)])),
  );
  return { whole: sha256.digest(bytes), blocks: Buffer.concat(blocks) };
}

test("what was hashed elsewhere is not hashed again, comes to the same tree, also after a write that failed, and is believed no more than other bytes", async () => {
  let hashed = 0;
  const counting: Sha256 = { ...sha256, digest: (bytes) => (hashed++, sha256.digest(bytes)) };
  let writes = 0;
  const write = async (): Promise<void> => {
    if (++writes === 6) throw Object.assign(new Error("no medium"), { code: "EIO" });
    await Promise.resolve();
  };
  const { place, add, count, finish } = await assembly(write, counting, { digestsOf });
  await assert.rejects(add(noise(SEGMENT, "other")), { code: "RELEASE_INVALID" });
  assert.deepEqual([writes, count()], [0, 0]);
  hashed = 0;
  for (const segment of image.segments) await add(segment).catch(async () => await add(segment));
  assert.equal(hashed, 0);
  await finish();
  assert.deepEqual(sha256.digest(place), sha256.digest(image.bytes));
});

test("digests of blocks that are not those of the root are not taken for them", async () => {
  const wrong = (bytes: Uint8Array): SegmentDigests => ({
    ...digestsOf(bytes),
    blocks: new Uint8Array((bytes.length / 4096) * 32),
  });
  const { add, finish } = await assembly(async () => {}, sha256, { digestsOf: wrong });
  for (const segment of image.segments) await add(segment);
  await assert.rejects(finish(), { code: "RELEASE_INVALID" });
});
