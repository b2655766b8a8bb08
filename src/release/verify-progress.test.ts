import assert from "node:assert/strict";
import { before, test } from "node:test";
import { smallBootFiles, smallImage, type SmallImage } from "../../tests/support/small-image.ts";
import { testTools } from "../../tests/support/tools.ts";
import { BLOCK, bootFile, damageOf, flipped, readerOf, treeOf, verify } from "../../tests/support/verify.ts";
import { MiB } from "../core/units.ts";
import { sha256 } from "../host/sha256.ts";
import { verifyImage, type Verdict, type VerifyProgress } from "./verify-image.ts";

let images: Readonly<Record<300 | 16_500, SmallImage>>;
before(async () => {
  const tools = await testTools();
  images = { 300: await smallImage(tools, 300), 16_500: await smallImage(tools, 16_500) };
});

test("checked from any position on, an image is whole, or has the same damage unless it lies before", async () => {
  const image = images[300];
  const leaf = treeOf(image).levels[0]!.first + 1;
  for (let from = 0; from <= 300; from++) {
    assert.equal((await verify(image, { from })).ok, true);
    const inData = await flipped(image, image.parts.root.start + 170 * BLOCK, async () => await verify(image, { from }));
    assert.deepEqual(damageOf(inData), from <= 170 ? { part: "root", block: 170 } : undefined);
    const inLeaf = await flipped(image, image.parts.verity.start + leaf * BLOCK, async () => await verify(image, { from }));
    assert.deepEqual(damageOf(inLeaf), from < 256 ? { part: "root-verity", block: leaf } : undefined);
  }
});

test("damage of the tables and boot files is found from any position", async () => {
  const image = images[300];
  for (const at of [bootFile(image, "initrd").start, 512 + 60, image.parts.verity.start + 100]) {
    assert.equal((await flipped(image, at, async () => await verify(image, { from: 300 }))).ok, false);
  }
});

test("a position that cannot be one leaves nothing out", async () => {
  const image = images[300];
  for (const from of [-1, 0.5, 301, Number.NaN, Number.POSITIVE_INFINITY]) {
    const verdict = await flipped(image, image.parts.root.start, async () => await verify(image, { from }));
    assert.deepEqual(damageOf(verdict), { part: "root", block: 0 });
  }
});

test("a check that is stopped again and again, and goes on where it was, ends with the same verdict", async () => {
  const image = images[16_500];
  const wanted = 16_400;
  await flipped(image, image.parts.root.start + wanted * BLOCK, async () => {
    let from = 0;
    let rounds = 0;
    let verdict: Verdict | undefined;
    while (!verdict) {
      const stop = new AbortController();
      const starts = from;
      rounds++;
      verdict = await verify(image, {
        ...{ from, signal: stop.signal },
        progress: ({ position }) => {
          from = position;
          if (position > starts + 2000) stop.abort(new Error("enough for today"));
        },
      }).catch((error: unknown) => {
        assert.equal((error as Error).message, "enough for today");
        return undefined;
      });
    }
    assert.deepEqual(damageOf(verdict), { part: "root", block: wanted });
    assert.equal(rounds, 9); // of 8 runs each
  });
});

test("after an abort nothing more is read", async () => {
  const { bytes } = images[16_500];
  for (const after of [0, 1, 5, 12, 30]) {
    const stop = new AbortController();
    const { image, reads } = readerOf(bytes);
    let reports = 0;
    let readsThen = 0;
    if (after === 0) stop.abort(new Error("stopped"));
    const progress = (): void => {
      if (++reports !== after) return;
      readsThen = reads.length;
      stop.abort(new Error("stopped"));
    };
    await assert.rejects(verifyImage({ image, sha256, signal: stop.signal, progress }), { message: "stopped" });
    assert.equal(reads.length, readsThen);
  }
});

test("progress goes from nothing to everything, and is waited for", async () => {
  const image = images[16_500];
  const seen: VerifyProgress[] = [];
  let waiting = false;
  const progress = async (now: VerifyProgress): Promise<void> => {
    assert.equal(waiting, false);
    waiting = true;
    await new Promise((resolve) => setImmediate(resolve));
    waiting = false;
    seen.push(now);
  };
  const { image: reader, reads } = readerOf(image.bytes);
  await verifyImage({ image: reader, sha256, progress });
  assert.deepEqual(
    seen.map(({ done }) => done),
    seen.map(({ done }) => done).toSorted((a, b) => a - b),
  );
  const boot = Object.keys(smallBootFiles).concat("SHA256SUMS", "manifest.json");
  const total = boot.reduce((sum, name) => sum + bootFile(image, name).size, image.parts.root.size);
  assert.deepEqual(seen.at(-1), { done: total, total, position: 16_500 });
  assert.ok(seen.every((now) => now.total === total));
  const inRoot = reads.filter(({ offset }) => offset >= image.parts.root.start && offset < image.parts.verity.start);
  assert.equal(inRoot.length, Math.ceil(image.parts.root.size / MiB), "data is read in runs of 1 MiB");
  assert.equal(reads.filter(({ offset }) => offset >= image.parts.verity.start && offset < image.bytes.length - MiB).length, 7);
  const resumed: VerifyProgress[] = [];
  await verify(image, { from: 10_000, progress: (now) => void resumed.push(now) });
  assert.ok(resumed.every(({ done, position }) => done > 10_000 * BLOCK && position >= 10_000));
  assert.deepEqual(resumed.at(-1), { done: total, total, position: 16_500 });
});

test("every data block that cannot be read is named, and what comes before it is checked first", async () => {
  const image = images[300];
  for (let block = 0; block < 300; block++) {
    const bad = image.parts.root.start + block * BLOCK + 512;
    const { image: reader } = readerOf(image.bytes, (offset, length) =>
      offset <= bad && offset + length > bad ? "EIO" : undefined,
    );
    assert.deepEqual(damageOf(await verifyImage({ image: reader, sha256 })), { part: "root", block });
    if (block % 50 !== 0 || block === 0) continue;
    const earlier = await flipped(
      image,
      image.parts.root.start + (block - 1) * BLOCK,
      async () => await verifyImage({ image: reader, sha256 }),
    );
    assert.deepEqual(damageOf(earlier), { part: "root", block: block - 1 });
  }
});

test("a run that fails, and not block by block, is no damage", async () => {
  const { bytes, parts } = images[300];
  const { image } = readerOf(bytes, (offset, length) =>
    offset >= parts.root.start && offset < parts.verity.start + parts.verity.size && length > BLOCK ? "EIO" : undefined,
  );
  assert.equal((await verifyImage({ image, sha256 })).ok, true);
});

for (const code of ["ENXIO", "EACCES", "ENOMEM", "EINVAL"]) {
  test(`a reader that fails with ${code} says nothing about the image: the error is passed on`, async () => {
    const { bytes, parts } = images[300];
    for (const place of [0, parts.boot.start, parts.boot.start + MiB, parts.root.start, parts.verity.start]) {
      const { image } = readerOf(bytes, (offset) => (offset >= place ? code : undefined));
      await assert.rejects(verifyImage({ image, sha256 }), { code });
    }
  });
}
