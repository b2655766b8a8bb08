import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openDirectWriter, placesOf } from "./direct-write.ts";

test("bytes go to the extents that they belong to, and nowhere else", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-write-"));
  const path = join(folder.path, "device");
  await writeFile(path, new Uint8Array(64 * 1024).fill(0xaa));
  const extents = [
    { start: 16384, size: 8192 },
    { start: 4096, size: 8192 },
  ];
  {
    await using writer = await openDirectWriter(path, extents);
    await writer.write(
      4096,
      Uint8Array.from({ length: 9000 }, (_, at) => at % 251),
    );
    await writer.flush();
    await assert.rejects(writer.write(12288, new Uint8Array(8192)), RangeError);
    await assert.rejects(writer.write(100, new Uint8Array(10)), RangeError);
  }
  const wanted = new Uint8Array(64 * 1024).fill(0xaa);
  const data = Uint8Array.from({ length: 12288 }, (_, at) => (at < 9000 ? at % 251 : 0));
  wanted.set(data.subarray(0, 4096), 20480);
  wanted.set(data.subarray(4096), 4096);
  assert.deepEqual(new Uint8Array(await readFile(path)), wanted);
});

test("whatever the extents, each byte has one place, in order", () => {
  const extent = fc.record({ start: fc.nat(1000), size: fc.integer({ min: 1, max: 20 }) });
  fc.assert(
    fc.property(
      fc.array(extent, { minLength: 1, maxLength: 5 }),
      fc.nat(50),
      fc.integer({ min: 1, max: 50 }),
      (extents, offset, length) => {
        const all = extents.flatMap(({ start, size }) => Array.from({ length: size }, (_, n) => start + n));
        if (offset + length > all.length) {
          assert.throws(() => placesOf(extents, offset, length), RangeError);
          return;
        }
        const places = placesOf(extents, offset, length);
        assert.deepEqual(
          places.flatMap(({ at, size }) => Array.from({ length: size }, (_, n) => at + n)),
          all.slice(offset, offset + length),
        );
        assert.deepEqual(
          places.flatMap(({ from, size }) => Array.from({ length: size }, (_, n) => from + n)),
          Array.from({ length }, (_, n) => n),
        );
      },
    ),
  );
});
