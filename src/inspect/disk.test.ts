import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempDisposable, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { smallSystem } from "../../tests/support/small-system.ts";
import { testTools } from "../../tests/support/tools.ts";
import { treeImage } from "../../tests/support/tree-image.ts";
import { diskOfImage } from "../build/image-disk.ts";
import { MiB } from "../core/units.ts";
import { currentCaller } from "../host/caller.ts";
import { run } from "../host/run.ts";
import { RECORD_COPY_OFFSETS } from "../layout/record.ts";
import { diskReport, parseExtents } from "./disk.ts";
import type { InspectContext } from "./open-image.ts";

test("a disk says what lies in its slots, also when its boot record cannot be read; an image is no disk", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-disk-"));
  const tools = await testTools();
  const [a, b, disk] = ["a.img", "b.img", "disk.raw"].map((name) => join(dir.path, name)) as [string, string, string];
  await treeImage(tools, smallSystem, a);
  // With a key of a later petrify, and one in another order: its digest is of what is stored.
  const facts = { version: "1.2.4", kernel: "6.12.1-test", unknown: "yes" };
  await treeImage(tools, smallSystem, b, { facts, machineConfig: { hostname: "any" } });
  const plan = await diskOfImage({ image: a, slotB: b, slotSize: 16 * MiB, work: dir.path }, [{ format: "raw", path: disk }], {
    tools,
    random: randomBytes,
    signal: undefined,
  });
  const context: InspectContext = {
    ...{ tools: async () => await Promise.resolve(tools), containerTools: () => assert.fail("no rpm here") },
    ...{ caller: currentCaller(), run, cacheFolder: dir.path, signal: undefined },
  };
  const { slots, recovery, notes, size } = (await diskReport(disk, context))!;
  assert.equal(size, plan.size);
  assert.deepEqual(
    [slots.a, slots.b].map(({ state, active, asRecorded, image }) => [state, active, asRecorded, image?.version, image?.kernel]),
    [
      ["proven", true, true, "1.2.3", "6.12.0-test"],
      ["proven", false, true, "1.2.4", "6.12.1-test"],
    ],
  );
  assert.deepEqual([recovery.image?.name, notes], ["test", []]);
  {
    await using handle = await open(disk, "r+");
    for (const offset of RECORD_COPY_OFFSETS)
      await handle.write(Buffer.alloc(4096), 0, 4096, plan.partitions.record.start + offset);
  }
  const blind = (await diskReport(disk, context))!;
  assert.deepEqual(
    [blind.slots.a.state, blind.slots.a.image?.version, blind.slots.a.asRecorded],
    ["unknown", "1.2.3", undefined],
  );
  assert.match(blind.notes[0]!, /^the boot record: /);
  assert.equal(await diskReport(a, context), undefined);
});

test("extents are read in the order of the file, and end at a hole", () => {
  const text = `Level Entries         Logical        Physical Length Flags
 1/ 1   1/ 12      0 -  32767   1536 -  34303  32768 
 1/ 1   2/ 12  32768 -  32769  34304 -  34305      2 Uninit
 1/ 1   3/ 12  40000 -  40001  50000 -  50001      2 
`;
  assert.deepEqual(parseExtents(text), [
    { start: 1536 * 4096, size: 32_768 * 4096 },
    { start: 34_304 * 4096, size: 2 * 4096 },
  ]);
  assert.deepEqual(parseExtents("debugfs: File not found by ext2_lookup\n"), []);
});
