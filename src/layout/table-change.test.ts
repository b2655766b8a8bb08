import assert from "node:assert/strict";
import { test } from "node:test";
import { KiB, MiB } from "../core/units.ts";
import { tableChange } from "./table-change.ts";
import { diskGpt, DISK_PARTITIONS, planDisk, type DiskGuids } from "./disk.ts";
import { decodeGpt, encodeGpt, type Gpt, type ReadAt, type SectorSize } from "./gpt.ts";
import type { Patch } from "./patch.ts";

const guids = Object.fromEntries(
  ["disk", ...DISK_PARTITIONS].map((name, index) => [name, `0000000${index}-1111-4222-8333-444444444444`]),
) as unknown as DiskGuids;
const before: Gpt = diskGpt(planDisk({ imageSize: 8 * MiB, slotSize: 16 * MiB }), guids);
const LARGER = before.size + 300 * MiB;

/** Bytes that were written, the last write on top; what lies between is zero. */
const readerOf =
  (patches: readonly Patch[]): ReadAt =>
  (offset, length) => {
    const bytes = new Uint8Array(length);
    for (const { offset: at, data } of patches) {
      const [from, to] = [Math.max(offset, at), Math.min(offset + length, at + data.length)];
      if (from < to) bytes.set(data.subarray(from - at, to - at), from - offset);
    }
    return bytes;
  };
const written = encodeGpt(before, "both");
const growth = tableChange(readerOf(written), LARGER)!;
const persistentSize = (patches: readonly Patch[], sectorSize: SectorSize): number => {
  const { damage, ...gpt } = decodeGpt(readerOf(patches), LARGER, sectorSize);
  assert.ok(damage === undefined || damage.startsWith("backup"), damage ?? "");
  return gpt.partitions.find(({ name }) => name === "persistent")!.size;
};

test("the last partition gets what the disk has more than its table, and nothing else changes", () => {
  const after = { ...before, size: LARGER, partitions: before.partitions.map((p) => ({ ...p })) };
  const grown = { ...after.partitions.at(-1)!, size: after.partitions.at(-1)!.size + 300 * MiB };
  assert.deepEqual(growth.gpt, { ...after, partitions: [...after.partitions.slice(0, -1), grown] });
});

test("all steps done, both sector sizes read the new table whole, and there is nothing left to do", () => {
  const disk = [...written, ...growth.steps.flat()];
  for (const sectorSize of [512, 4096] as const) {
    assert.deepEqual(decodeGpt(readerOf(disk), LARGER, sectorSize), growth.gpt);
  }
  assert.equal(tableChange(readerOf(disk), LARGER), undefined);
});

for (const [what, size, grows] of [
  ["the disk that the table was made for", before.size, false],
  ["less than 1 MiB more", before.size + MiB - 512, false],
  ["1 MiB more", before.size + MiB, true],
  ["a size that is no multiple of 4096", LARGER + 512, true],
] as const) {
  test(`${what}: ${grows ? "grows" : "stays"}`, () => assert.equal(tableChange(readerOf(written), size) !== undefined, grows));
}

test("a last partition that is not marked to grow stays", () => {
  const partitions = before.partitions.map((p) => ({ ...p, attributes: [] }));
  assert.equal(tableChange(readerOf(encodeGpt({ ...before, partitions }, "both")), LARGER), undefined);
});

test("a power cut at any moment, sectors of 512 bytes in any of three orders, leaves a whole primary table, and a repeat finishes", () => {
  const old = before.partitions.at(-1)!.size;
  const sectors = growth.steps.map((step) => step.flatMap(sectorsOf));
  let states = 0;
  const check = (disk: readonly Patch[]): void => {
    states++;
    for (const sectorSize of [512, 4096] as const) {
      assert.ok([old, old + 300 * MiB].includes(persistentSize(disk, sectorSize)));
    }
    const again = tableChange(readerOf(disk), LARGER);
    const finished = [...disk, ...(again?.steps.flat() ?? [])];
    for (const sectorSize of [512, 4096] as const) assert.equal(persistentSize(finished, sectorSize), old + 300 * MiB);
  };
  const done: Patch[] = [...written];
  for (const step of sectors) {
    for (const order of [step, step.toReversed(), step.toSorted((a, b) => (a.offset % 7919) - (b.offset % 7919))]) {
      for (let count = 0; count <= order.length; count += 2) check([...done, ...order.slice(0, count)]);
      for (const single of order.slice(0, 8)) check([...done, single]);
    }
    done.push(...step);
  }
  assert.ok(states > 200, `${states} states`);
});

test("entries that were written over in place would not pass that test", () => {
  const torn = growth.steps[1]!.map(({ data }, index) => ({ offset: [24_576, 8192][index]!, data }));
  assert.throws(
    () => persistentSize([...written, ...torn.flatMap(sectorsOf).slice(0, 20)], 512),
    /primary entries: wrong checksum/,
  );
});

test("asked for, the disk and every partition get GUIDs of their own, and all else stays", () => {
  let count = 0;
  const newGuid = (): string => `99999999-0000-4000-8000-${String(++count).padStart(12, "0")}`;
  const change = tableChange(readerOf(written), before.size, newGuid)!;
  assert.equal(change.grown, false);
  for (const sectorSize of [512, 4096] as const) {
    const after = decodeGpt(readerOf([...written, ...change.steps.flat()]), before.size, sectorSize);
    assert.equal(new Set([after.diskGuid, ...after.partitions.map(({ guid }) => guid)]).size, before.partitions.length + 1);
    assert.ok([after.diskGuid, ...after.partitions.map(({ guid }) => guid)].every((guid) => guid.startsWith("99999999")));
    const old = after.partitions.map((p, index) => ({ ...p, guid: before.partitions[index]!.guid }));
    assert.deepEqual({ ...after, diskGuid: before.diskGuid, partitions: old }, before);
  }
});

function sectorsOf({ offset, data }: Patch): Patch[] {
  const sector = KiB / 2;
  return Array.from({ length: data.length / sector }, (_, i) => ({
    offset: offset + i * sector,
    data: data.subarray(i * sector, (i + 1) * sector),
  }));
}
