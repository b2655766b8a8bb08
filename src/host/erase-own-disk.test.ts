/** On files in place of a disk and its partitions; on a real one: tests/vm/reset.test.ts. */
import assert from "node:assert/strict";
import { mkdtempDisposable, open, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MiB } from "../core/units.ts";
import { eraseAndPowerOff } from "./erase-own-disk.ts";

async function desk() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-erase-"));
  const made = async (name: string, size: number): Promise<string> => {
    const path = join(folder.path, name);
    await writeFile(path, new Uint8Array(size).fill(0x55));
    return path;
  };
  return {
    ...folder,
    disk: await made("disk", 5 * MiB),
    partitions: [
      { start: MiB, size: 2 * MiB },
      { start: 4 * MiB - 4096, size: 4096 },
    ],
    first: [await made("record", MiB), await made("efi", 2 * MiB + 4096)],
    last: await made("last", 3 * MiB),
  };
}
/** Not on the machine that runs the tests. */
const holdStill = async (): Promise<AsyncDisposable> => await Promise.resolve({ [Symbol.asyncDispose]: async () => {} });
const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

test("everything is zero before the power goes: the partitions, both ends of the disk, what runs at the very last", async () => {
  await using at = await desk();
  const done: number[] = [];
  let isOff = false;
  let lastOnes: string[] = [];
  await eraseAndPowerOff(
    at,
    (bytes, total) => {
      done.push(bytes);
      assert.equal(total, 9 * MiB);
      lastOnes = [...lastOnes, isOff ? "off" : "on"];
    },
    { powerOff: async () => await Promise.resolve(void (isOff = true)), holdStill },
  );
  assert.deepEqual([isOff, lastOnes.includes("off"), done.at(-1)], [true, false, 9 * MiB]);
  for (const path of [...at.first, at.last]) assert.ok(isZero(await readFile(path)), path);
  const disk = await readFile(at.disk);
  assert.ok(isZero(disk.subarray(0, MiB)) && isZero(disk.subarray(3 * MiB, 4 * MiB - 4096)) && isZero(disk.subarray(4 * MiB)));
  assert.equal(disk[2 * MiB], 0x55, "that is a partition's");
});

test("nothing is written, and the power stays, where one of them cannot be opened", async () => {
  await using at = await desk();
  const failing = eraseAndPowerOff({ ...at, last: join(at.path, "none") }, () => {}, {
    powerOff: async () => await Promise.resolve(assert.fail("off")),
    holdStill,
  });
  await assert.rejects(failing, { code: "ENOENT" });
  for (const path of [...at.first, at.disk]) {
    await using file = await open(path);
    const { buffer } = await file.read(new Uint8Array(1), 0, 1, 0);
    assert.equal(buffer[0], 0x55, path);
  }
});
