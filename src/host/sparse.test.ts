import assert from "node:assert/strict";
import { mkdtempDisposable, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import { partialFile } from "./partial-file.ts";
import { writingTo } from "./disk-full.ts";
import { copySparse, runsOfData, writePatches } from "./sparse.ts";

const folder = async () => await mkdtempDisposable(join(tmpdir(), "petrify-sparse-"));

test("runs of data end where a block of zeros begins", () => {
  const bytes = new Uint8Array(5 * 4096 + 10);
  for (const at of [0, 4095, 4096, 3 * 4096 + 7, 5 * 4096 + 9]) bytes[at] = 1;
  assert.deepEqual(runsOfData(bytes), [
    [0, 8192],
    [12_288, 16_384],
    [20_480, 20_490],
  ]);
  assert.deepEqual(runsOfData(new Uint8Array(10_000)), []);
});

test("pieces arrive at their places, and zeros take no room", async () => {
  await using dir = await folder();
  const [source, target] = [join(dir.path, "source"), join(dir.path, "target")];
  const bytes = new Uint8Array(12 * MiB);
  bytes.fill(7, 0, 9000);
  bytes.fill(8, 11 * MiB);
  await writeFile(source, bytes);
  await using out = await partialFile(target, 40 * MiB);
  await copySparse(source, out.path, [
    { from: 0, length: 4 * MiB + 1, to: 20 * MiB },
    { from: 10 * MiB, length: 2 * MiB, to: 4096 },
  ]);
  await writePatches(out.path, [{ offset: 39 * MiB, data: Uint8Array.of(1, 2, 3) }]);
  await out.finish();
  const wanted = Buffer.alloc(40 * MiB);
  wanted.set(bytes.subarray(0, 4 * MiB + 1), 20 * MiB);
  wanted.set(bytes.subarray(10 * MiB), 4096);
  wanted.set([1, 2, 3], 39 * MiB);
  assert.equal(Buffer.compare(await readFile(target), wanted), 0);
  assert.ok((await stat(target)).blocks * 512 < 2 * MiB, "the holes were written");
});

test("a source that is too short is noticed", async () => {
  await using dir = await folder();
  await writeFile(join(dir.path, "source"), "abc");
  await writeFile(join(dir.path, "target"), "");
  await assert.rejects(
    copySparse(join(dir.path, "source"), join(dir.path, "target"), [{ from: 0, length: 5, to: 0 }]),
    /2 bytes early/,
  );
});

test("an unfinished output goes with its scope, and so does one of a process that is no more", async () => {
  await using dir = await folder();
  await writeFile(join(dir.path, "disk.raw.4194999.partial"), "left by a killed build");
  await writeFile(join(dir.path, `disk.raw.${process.ppid}.partial`), "of a build that runs");
  {
    await using out = await partialFile(join(dir.path, "disk.raw"), 5);
    assert.deepEqual(
      (await readdir(dir.path)).sort(),
      [process.pid, process.ppid].map((pid) => `disk.raw.${pid}.partial`).sort(),
    );
    assert.equal((await readFile(out.path)).length, 5);
  }
  assert.deepEqual(await readdir(dir.path), [`disk.raw.${process.ppid}.partial`]);
});

const failures: readonly [name: string, error: Error, code: string][] = [
  ["a full disk seen by us", Object.assign(new Error("write"), { code: "ENOSPC" }), "DISK_FULL"],
  ["a full disk seen by a program", new AppError("COMMAND_FAILED", "mke2fs …\n/tmp/disk: No space left on device"), "DISK_FULL"],
  ["another failure", new AppError("COMMAND_FAILED", "mke2fs …"), "COMMAND_FAILED"],
];
for (const [name, error, code] of failures) {
  test(`${name} is told as ${code}`, async () => {
    await assert.rejects(
      writingTo("disk.raw", async () => await Promise.reject(error)),
      { code },
    );
  });
}
