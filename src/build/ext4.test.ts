import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { GiB, MiB } from "../core/units.ts";
import { partialFile } from "../host/partial-file.ts";
import { planDisk } from "../layout/disk.ts";
import { makeImageStore } from "./ext4.ts";

for (const slotSize of [4 * MiB, 132 * MiB, 1.5 * GiB, 5 * GiB, 100 * GiB]) {
  test(`two slots of ${slotSize / MiB} MiB fit the state partition, with little room to spare`, async () => {
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-store-"));
    const tools = await testTools();
    const { start, size } = planDisk({ imageSize: 1, slotSize }).partitions.state;
    await using disk = await partialFile(join(dir.path, "disk"), start + size);
    const volume = {
      file: disk.path,
      offset: start,
      size,
      label: "COS_STATE",
      partition: "11111111-2222-4333-8444-555555555555",
      time: 1,
    };
    const [a, b] = await makeImageStore(tools, volume, { names: ["a.img", "b.img"], capacity: slotSize }, dir.path);
    assert.ok(a && b && a[0]!.to < b[0]!.to);
    await tools.run(["e2fsck", "-fn", `/tmp/disk?offset=${start}`], { binds: [{ source: disk.path, target: "/tmp/disk" }] });
    assert.ok(size < 2 * slotSize * 1.01 + 20 * MiB);
  });
}
