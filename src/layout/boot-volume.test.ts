import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempDisposable, open, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { makeFat } from "../build/fat-volume.ts";
import { MiB } from "../core/units.ts";
import type { Tools } from "../host/tools.ts";
import { bootVolume } from "./boot-volume.ts";

let tools: Tools;
before(async () => {
  tools = await testTools();
});

/** [MiB of the partition, MiB of the image, bytes of kernel and initrd, time]: FAT12 and FAT16, clusters of 2 and 4 KiB, every geometry. */
for (const [size, imageSize, kernel, initrd, time] of [
  [1, 2, 100_000, 300_000, 1_700_000_001],
  [1, 4, 1, 2048, 0x4000_0000],
  [3, 16, 2_000_000, 700_000, 1_700_000_000],
  [5, 20, 2049, 4_000_000, 1_790_000_059],
  [12, 100, 5_000_000, 4_000_003, 1_790_000_000],
  [16, 200, 9_000_000, 6_000_000, 1_790_000_000],
  [20, 350, 12_000_000, 8_000_000, 1_794_960_671],
  [33, 600, 20_000_000, 9_000_000, 1_794_960_671],
  [20, 1500, 12_000_000, 8_000_000, 1_794_960_671],
  [20, 3000, 12_000_000, 8_000_000, 1_794_960_671],
  [20, 5000, 12_000_000, 8_000_000, 1_794_960_671],
] as const) {
  test(`the bytes of a boot volume of ${size} MiB in an image of ${imageSize} MiB are those that mkfs.fat and mcopy write`, async () => {
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-volume-"));
    const [image, vmlinuz, initrdFile] = ["image", "vmlinuz", "initrd"].map((name) => join(dir.path, name));
    await writeFile(image!, "");
    await truncate(image!, imageSize * MiB);
    await writeFile(vmlinuz!, Buffer.alloc(kernel, "kernel"));
    await writeFile(initrdFile!, Buffer.alloc(initrd, "initrd"));
    const volumeId = createHash("sha256").update(String(time)).digest("hex").slice(0, 8);
    const small = { "image.cfg": "set x=y\n", SHA256SUMS: "s".repeat(230), "manifest.json": "m".repeat(700) };
    const place = { file: image!, offset: MiB, size: size * MiB, sectorSize: 512, label: "BOOT", volumeId, time } as const;
    const files = [
      { path: "/vmlinuz", source: vmlinuz! },
      { path: "/initrd", source: initrdFile! },
      ...Object.entries(small).map(([name, data]) => ({ path: `/${name}`, data })),
    ];
    await makeFat(tools, { ...place, files }, join(dir.path, "work"));
    await using handle = await open(image!);
    const bytes = Buffer.alloc(size * MiB);
    await handle.read(bytes, 0, bytes.length, MiB);

    const sizes = { vmlinuz: kernel, initrd, "image.cfg": 8, SHA256SUMS: 230, "manifest.json": 700 };
    const volume = { size: size * MiB, imageSize: imageSize * MiB, volumeId, time, sizes };
    const { tables, files: places } = bootVolume(volume, bytes.subarray(0, 512));
    const expected = Buffer.alloc(bytes.length);
    for (const { offset, data } of tables) expected.set(data, offset);
    const contents: Record<string, Uint8Array> = { vmlinuz: await readFile(vmlinuz!), initrd: await readFile(initrdFile!) };
    for (const { name, start } of places) {
      expected.set(contents[name] ?? Buffer.from(small[name as keyof typeof small]), start);
    }
    if (bytes.equals(expected)) return;
    const differs = bytes.findIndex((byte, at) => byte !== expected[at]);
    assert.fail(`byte ${differs} is ${bytes[differs]}, not ${expected[differs]}`);
  });
}

test("files that do not fit are refused", () => {
  const sector = new Uint8Array(512);
  const layout = { 13: 4, 14: 1, 22: 2 };
  for (const [at, value] of Object.entries(layout)) sector[Number(at)] = value;
  const volume = { size: MiB, imageSize: 3 * MiB, volumeId: "00000000", time: 1_700_000_000 };
  assert.throws(() => bootVolume({ ...volume, sizes: { vmlinuz: MiB } }, sector), { code: "FAT_INVALID" });
  assert.throws(() => bootVolume({ ...volume, sizes: { vmlinuz: 1 } }, new Uint8Array(512)), { code: "FAT_INVALID" });
});
