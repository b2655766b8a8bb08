import assert from "node:assert/strict";
import { mkdtempDisposable, open, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { KiB, MiB } from "../core/units.ts";
import { TRIES_FILE } from "../layout/disk.ts";
import { EMPTY_KERNEL_ARGS, firstKernelArgs, NO_KERNEL_ARGS, type StoredKernelArgs } from "../layout/kernel-args.ts";
import { commitBoot } from "../layout/record-change.ts";
import { firstRecord, RECORD_COPY_OFFSETS, type BootRecord } from "../layout/record.ts";
import { CLOCK_OFFSET, CLOCK_SIZE, decodeStoredClock } from "../layout/stored-clock.ts";
import { encodeTries } from "../layout/tries.ts";
import { bootRecordOn, type BootRecordStore } from "./boot-record.ts";

const digest = "ab".repeat(32);
const stored: BootRecord = { active: "a", slots: { a: { state: "trial", digest }, b: { state: "bad", digest } }, recovery: 2 };

interface Machine extends AsyncDisposable {
  readonly store: BootRecordStore;
  readonly record: string;
  readonly efi: string;
}

/** An efi partition made by mkfs.vfat, with tries and something behind them, and a record partition. */
async function machine(): Promise<Machine> {
  const tools = await testTools();
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-record-"));
  const [efi, record] = [join(folder.path, "efi"), join(folder.path, "record")] as const;
  for (const [path, size] of [
    [efi, 32 * MiB],
    [record, MiB],
  ] as const) {
    await writeFile(path, "");
    await truncate(path, size);
  }
  await writeFile(join(folder.path, "tries"), Buffer.concat([encodeTries({ a: 2, b: 0 })]));
  const binds = [{ source: folder.path, target: "/tmp/d", writable: true }];
  const tool = async (...argv: [string, ...string[]]): Promise<unknown> =>
    await tools.run(argv, { binds, env: { MTOOLS_SKIP_CHECK: "1" } });
  await tool("mkfs.vfat", "-S", "4096", "-s", "1", "/tmp/d/efi");
  await tool("mmd", "-i", "/tmp/d/efi", "::/petrify");
  await tool("mcopy", "-i", "/tmp/d/efi", "/tmp/d/tries", `::${TRIES_FILE}`);
  await using file = await open(record, "r+");
  for (const { offset, data } of firstRecord(stored)) await file.write(data, 0, data.length, offset);
  return {
    store: bootRecordOn({ record, efi }),
    record,
    efi,
    [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose](),
  };
}

test("both halves are read, and what is changed is what is read afterwards", async () => {
  await using m = await machine();
  const before = await m.store.read();
  assert.deepEqual(before, { found: { is: "whole", sequence: 2, record: stored }, tries: { a: 2, b: 0 } });
  const after = await m.store.change((facts) => commitBoot("a", facts));
  const proven: BootRecord = { ...stored, slots: { ...stored.slots, a: { state: "proven", digest } } };
  assert.deepEqual(after, { found: { is: "whole", sequence: 3, record: proven }, tries: { a: 6, b: 0 } });
  assert.deepEqual(await bootRecordOn(m).read(), after);
});

test("a change writes one block of each partition, and nothing when nothing changes", async () => {
  await using m = await machine();
  const before = [await readFile(m.record), await readFile(m.efi)] as const;
  const changed = async (): Promise<string[]> => {
    const now = [await readFile(m.record), await readFile(m.efi)];
    return now.flatMap((bytes, index) =>
      Array.from({ length: bytes.length / 4096 }, (_, block) => block * 4096)
        .filter((at) => !bytes.subarray(at, at + 4096).equals(before[index]!.subarray(at, at + 4096)))
        .map((at) => `${["record", "efi"][index]} ${index === 0 ? at / KiB : "one block"}`),
    );
  };
  await m.store.change(() => ({}));
  assert.deepEqual(await changed(), []);
  await m.store.change((facts) => commitBoot("a", facts));
  assert.deepEqual(await changed(), [`record ${RECORD_COPY_OFFSETS[0] / KiB}`, "efi one block"], "the older copy, and the tries");
});

test("a copy that is damaged is the one that is written", async () => {
  await using m = await machine();
  {
    await using file = await open(m.record, "r+");
    await file.write(new Uint8Array(4096).fill(1), 0, 4096, RECORD_COPY_OFFSETS[1]);
  }
  assert.deepEqual((await m.store.read()).found, { is: "whole", sequence: 1, record: stored });
  await m.store.change((facts) => commitBoot("a", facts));
  const { found } = await m.store.read();
  assert.ok(found.is === "whole" && found.sequence === 2 && found.record.slots.a.state === "proven");
});

test("tries that are unreadable are made anew in their place", async () => {
  await using m = await machine();
  const at = (await readFile(m.efi)).indexOf("# GRUB Environment Block");
  {
    await using file = await open(m.efi, "r+");
    await file.write(new Uint8Array(1024), 0, 1024, at);
  }
  assert.equal((await m.store.read()).tries, undefined);
  assert.deepEqual((await m.store.change((facts) => commitBoot("a", facts))).tries, { a: 6, b: 0 });
});

test("kernel arguments are changed where the disk has some, one copy at a time; a disk that was made without them stays as it is", async () => {
  await using m = await machine();
  const args: StoredKernelArgs = { slots: { a: { append: ["quiet"], remove: [] }, b: NO_KERNEL_ARGS } };
  const before = await readFile(m.record);
  assert.equal((await m.store.change(() => ({ args }))).args, undefined);
  assert.deepEqual(await readFile(m.record), before);
  {
    await using file = await open(m.record, "r+");
    for (const { offset, data } of firstKernelArgs(EMPTY_KERNEL_ARGS)) await file.write(data, 0, data.length, offset);
  }
  assert.deepEqual((await m.store.read()).args, EMPTY_KERNEL_ARGS);
  const next = { args, tries: { a: 2, b: 0, args: 3 } };
  assert.deepEqual(await m.store.change(() => next), { found: { is: "whole", sequence: 2, record: stored }, ...next });
});

test("the time is kept where the initrd looks for it", async () => {
  await using m = await machine();
  await m.store.keepClock(1_950_000_000.7);
  assert.equal(decodeStoredClock(await m.store.readRaw(CLOCK_OFFSET, CLOCK_SIZE)), 1_950_000_000);
});
