import assert from "node:assert/strict";
import { mkdtempDisposable, open, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MiB } from "../core/units.ts";
import { loopDevice, LOOPS } from "./fake-disk.ts";
import { openFlashDevice } from "./flash-device.ts";

const SIZE = 40 * MiB;

for (const [what, sectorSize] of [
  ["a file", undefined],
  ["a device with sectors of 512 bytes", 512],
  ["a device with sectors of 4096 bytes", 4096],
] as const) {
  test(
    `${what} is written, zeroed and read back at the right places`,
    { skip: sectorSize === undefined ? false : LOOPS },
    async () => {
      await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-flash-"));
      const file = join(folder.path, "disk");
      await writeFile(file, new Uint8Array(SIZE).fill(0xaa));
      await using loop = sectorSize === undefined ? undefined : await loopDevice(file, { sectorSize });
      const wanted = Buffer.alloc(SIZE, 0xaa);
      {
        await using device = await openFlashDevice(loop?.path ?? file, { isFile: !loop, sectorSize: sectorSize ?? 512 });
        assert.equal(device.size, SIZE);
        await device.write(MiB, new Uint8Array(MiB).fill(1));
        wanted.fill(1, MiB, 2 * MiB);
        await device.write(4 * MiB, new Uint8Array(100).fill(2));
        wanted.fill(0, 4 * MiB, 4 * MiB + (sectorSize ?? 0)).fill(2, 4 * MiB, 4 * MiB + 100);
        await device.zero(8 * MiB, 20 * MiB + 4096);
        wanted.fill(0, 8 * MiB, 28 * MiB + 4096);
        await device.flush();
        assert.equal(Buffer.compare(await device.read(MiB - 4096, 8192), wanted.subarray(MiB - 4096, MiB + 4096)), 0);
        await assert.rejects(device.write(0, new Uint8Array(MiB + 1)), RangeError);
      }
      await using back = await open(loop?.path ?? file);
      const bytes = Buffer.alloc(SIZE);
      for (let at = 0; at < SIZE;) at += (await back.read(bytes, at, MiB, at)).bytesRead;
      assert.equal(Buffer.compare(bytes, wanted), 0);
      if (!loop) assert.ok((await stat(file)).blocks * 512 < SIZE - 16 * MiB, "zeros of a file take no room");
    },
  );
}

test("a device that is being written is nobody else's", { skip: LOOPS }, async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-flash-"));
  const file = join(folder.path, "disk");
  await writeFile(file, new Uint8Array(MiB));
  await using loop = await loopDevice(file);
  await using _ = await openFlashDevice(loop.path, { isFile: false, sectorSize: 512 });
  const again = openFlashDevice(loop.path, { isFile: false, sectorSize: 512 });
  await assert.rejects(again, (error: NodeJS.ErrnoException) => error.code === "EBUSY");
  assert.equal((await readFile(file)).length, MiB);
});
