import assert from "node:assert/strict";
import { mkdtempDisposable, open, readFile, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { KiB, MiB } from "../core/units.ts";
import { openDirect } from "./direct-read.ts";

/** A file on the disk, with a length that is no multiple of anything. */
async function makeFile(folder: string, size: number): Promise<{ path: string; bytes: Uint8Array }> {
  const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 9)) & 0xff);
  const path = join(folder, "file");
  await using file = await open(path, "w");
  await file.writeFile(bytes);
  await file.sync();
  return { path, bytes };
}

test("any part of a file is read as it is, and less where the file ends", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-direct-"));
  const { path, bytes } = await makeFile(dir.path, 3 * MiB + 777);
  await using file = await openDirect(path);
  assert.equal(file.size, bytes.length);
  const edges = fc.constantFrom(0, 1, 511, 512, 4095, 4096, MiB, 3 * MiB, 3 * MiB + 776, 3 * MiB + 777, 4 * MiB);
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(edges, fc.nat(4 * MiB)),
      fc.oneof(fc.constantFrom(0, 1, 4096, MiB), fc.nat(MiB)),
      async (offset, length) => {
        const part = await file.read(offset, length);
        assert.equal(Buffer.compare(part, bytes.subarray(offset, offset + length)), 0, `${length} bytes from ${offset}`);
      },
    ),
  );
});

test("a read comes from the disk although the file is in memory", async (t) => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-direct-"));
  const { path, bytes } = await makeFile(dir.path, 4 * MiB);
  await readFile(path);
  await using file = await openDirect(path);
  const TMPFS = 0x01021994;
  if ((await statfs(path)).type === TMPFS) return t.skip("the folder for temporary files is in memory");
  assert.equal(file.direct, true);
  const fromDisks = async (): Promise<number> =>
    Number(/^read_bytes: (\d+)$/m.exec(await readFile("/proc/self/io", "utf8"))?.[1]);
  const before = await fromDisks();
  for (let at = 0; at < bytes.length; at += MiB) await file.read(at, MiB);
  const read = (await fromDisks()) - before;
  assert.ok(read >= bytes.length, `${read} bytes of ${bytes.length} came from the disk`);
});

test("where a file system refuses direct I/O, reads are ordinary ones, and it says so", async () => {
  const path = "/proc/filesystems"; // whatever the size that it claims to have
  await using file = await openDirect(path);
  assert.equal(file.direct, false);
  const text = new TextDecoder().decode((await file.read(0, 64 * KiB)).slice());
  assert.equal(text, await readFile(path, "utf8"));
});

test("other work gets its turn between reads", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-direct-"));
  const { path } = await makeFile(dir.path, 8 * MiB);
  await using file = await openDirect(path);
  let turns = 0;
  let going = true;
  const count = (): void => {
    turns++;
    if (going) setImmediate(count);
  };
  setImmediate(count);
  for (let at = 0; at < file.size; at += MiB) await file.read(at, MiB);
  going = false;
  assert.ok(turns >= 8, `${turns} turns in 8 reads`);
});

test("a second read at once, and one of more than 1 MiB, are refused", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-direct-"));
  const { path, bytes } = await makeFile(dir.path, 100);
  await using file = await openDirect(path);
  await assert.rejects(file.read(0, MiB + 1), /1048577 bytes in one read/);
  const first = file.read(0, 100);
  await assert.rejects(file.read(0, 100), /two reads at once/);
  assert.deepEqual(Uint8Array.from(await first), bytes);
  assert.equal((await file.read(0, 100)).length, 100);
});

test("errors have the system's code", async () => {
  await assert.rejects(openDirect("/nonexistent/file"), { code: "ENOENT" });
  // Nothing is mapped at address 0 of a process: the kernel answers EIO there.
  await using memory = await openDirect("/proc/self/mem");
  await assert.rejects(memory.read(0, 4096), { code: "EIO" });
});
