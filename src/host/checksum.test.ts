import assert from "node:assert/strict";
import { chmod, mkdtempDisposable, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checksumsOf, placeWithChecksum } from "./checksum.ts";
import { run } from "./run.ts";

test("a file gets a checksum that sha256sum accepts, and rejects after a change", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-checksum-"));
  const [made, output] = [join(dir.path, "made"), join(dir.path, "disk.raw")];
  await writeFile(made, "one");
  await placeWithChecksum(made, output, async () => await rename(made, output));
  const check = async (): Promise<unknown> =>
    await run(["sha256sum", "--check", "--strict", "disk.raw.sha256"], { cwd: dir.path });
  await check();
  await writeFile(output, "other");
  await assert.rejects(check());
});

test("whoever may not read a file may not read its checksum either", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-checksum-"));
  const [made, output] = [join(dir.path, "made"), join(dir.path, "medium.iso")];
  for (const mode of [0o600, 0o644, 0o640]) {
    await writeFile(made, "secret");
    await chmod(made, mode);
    await placeWithChecksum(made, output, async () => await rename(made, output));
    assert.equal((await stat(`${output}.sha256`)).mode & 0o777, mode);
  }
});

test("cut at any moment, there is no checksum of another file", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-checksum-"));
  const [made, output] = [join(dir.path, "made"), join(dir.path, "disk.raw")];
  await writeFile(output, "old");
  await writeFile(`${output}.sha256`, "of the old one");
  await writeFile(made, "new");
  const seen: string[][] = [];
  const look = async (): Promise<void> => void seen.push((await readdir(dir.path)).toSorted());
  await placeWithChecksum(made, output, async () => {
    await look();
    await rename(made, output);
    await look();
  });
  assert.deepEqual(seen, [["disk.raw", "made"], ["disk.raw"]], "the old checksum is gone before the file is another one");
  assert.match(await readFile(`${output}.sha256`, "utf8"), /^[0-9a-f]{64} {2}disk\.raw\n$/);
});

test("a file that cannot be read, or an abort, leaves the old file with its checksum", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-checksum-"));
  const [made, output] = [join(dir.path, "made"), join(dir.path, "disk.raw")];
  await writeFile(output, "old");
  await writeFile(`${output}.sha256`, "of the old one");
  const place = (): never => assert.fail("is not reached");
  await assert.rejects(placeWithChecksum(made, output, place), { code: "ENOENT" });
  await writeFile(made, "new");
  await assert.rejects(placeWithChecksum(made, output, place, AbortSignal.abort(new Error("interrupted"))), {
    message: "interrupted",
  });
  assert.equal(await readFile(`${output}.sha256`, "utf8"), "of the old one");
});

test("the checksums of a folder are accepted by sha256sum", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-checksum-"));
  await writeFile(join(dir.path, "b"), "1");
  await writeFile(join(dir.path, "a c"), "2");
  await writeFile(join(dir.path, "SHA256SUMS"), await checksumsOf(dir.path, ["b", "a c"]));
  const { stdout } = await run(["sha256sum", "--check", "--strict", "SHA256SUMS"], { cwd: dir.path });
  assert.equal(stdout, "b: OK\na c: OK\n");
});
