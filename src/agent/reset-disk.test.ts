import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { MiB } from "../core/units.ts";
import { bootRecordOn } from "../host/boot-record.ts";
import { scriptedRun } from "../host/run.ts";
import { IDENTITY_OFFSETS, IDENTITY_SIZE } from "../layout/identity.ts";
import { LAST_WORDS_OFFSET, LAST_WORDS_SIZE } from "../layout/record.ts";
import { RESET_ORDER_OFFSET, RESET_ORDER_SIZE, type ResetOrder } from "../layout/reset-order.ts";
import type { RunFacts } from "../layout/run-facts.ts";
import { resetDisk } from "./reset-disk.ts";

const ORDER: ResetOrder = {
  ...{ id: "0badcafe", kind: "reset", at: "ordered", keep: [], erase: false, after: "reboot", cause: "asked for by root" },
  ...{ askedAt: 1_795_000_000, attempts: 0, from: { slot: "a", version: "1.2.0" } },
};

/** A file in place of the record partition, full of letters. */
async function desk(isResetting: boolean) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-reset-disk-"));
  const record = join(folder.path, "record");
  await writeFile(record, new Uint8Array(MiB).fill(0x55));
  const partition = (name: string) => ({ guid: "00000000-0000-4000-8000-000000000000", device: join(folder.path, name) });
  const facts: RunFacts = {
    ...{
      slot: isResetting ? "recovery" : "a",
      file: "/recovery1.img",
      rootHash: "",
      disk: join(folder.path, "disk"),
      notes: [],
      reached: {},
    },
    partitions: {
      oem: partition("oem"),
      persistent: partition("persistent"),
      recovery: partition("recovery"),
      record: partition("record"),
    },
    ...(isResetting ? { resetting: true } : {}),
  };
  const { run, calls } = scriptedRun({});
  const store = bootRecordOn({ record, efi: join(folder.path, "efi") });
  return { ...folder, record, calls, disk: resetDisk({ run, programs: "/any", facts, record: store, now: () => 0 }) };
}

suite("what a reset does to a disk", () => {
  test("is done in no boot that has the data in use", async () => {
    await using at = await desk(false);
    const { signal } = new AbortController();
    for (const [name, work] of Object.entries({
      wipe: () => at.disk.wipe("persistent", signal),
      erase: () => at.disk.erase("persistent", () => {}, signal),
      assertOem: () => at.disk.assertOem(),
      emptyOem: () => at.disk.emptyOem({ config: true, identity: true }),
      forgetIdentity: () => at.disk.forgetIdentity(),
      forgetWords: () => at.disk.forgetWords(),
      eraseRest: () => at.disk.eraseRest(() => {}),
    })) {
      await assert.rejects(work(), /the data partitions are in use/, name);
    }
    assert.deepEqual(at.calls, []);
    assert.ok((await readFile(at.record)).every((byte) => byte === 0x55));
  });

  test("forgets identity and last words, and nothing beside them", async () => {
    await using at = await desk(true);
    await at.disk.forgetIdentity();
    await at.disk.forgetWords();
    const bytes = await readFile(at.record);
    const places = [...IDENTITY_OFFSETS.map((start) => [start, IDENTITY_SIZE]), [LAST_WORDS_OFFSET, LAST_WORDS_SIZE]];
    for (const [start = 0, size = 0] of places) bytes.subarray(start, start + size).forEach((byte) => assert.equal(byte, 0));
    assert.equal(bytes.filter((byte) => byte === 0).length, 2 * IDENTITY_SIZE + LAST_WORDS_SIZE);
  });

  test("begins with an order that is read as it was given, and gone when it is taken away", async () => {
    await using at = await desk(false);
    assert.deepEqual(await at.disk.order(), { is: "none" });
    await at.disk.give(ORDER);
    assert.deepEqual(await at.disk.order(), { is: "order", order: ORDER });
    await at.disk.give(undefined);
    assert.deepEqual(await at.disk.order(), { is: "none" });
    const bytes = await readFile(at.record);
    assert.ok(bytes.subarray(RESET_ORDER_OFFSET, RESET_ORDER_OFFSET + RESET_ORDER_SIZE).every((byte) => byte === 0));
    assert.equal(bytes.filter((byte) => byte === 0).length, RESET_ORDER_SIZE);
  });
});
