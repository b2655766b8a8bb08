import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { smallMedium } from "../../tests/support/small-medium.ts";
import { MiB } from "../core/units.ts";
import { encodeGpt, type SectorSize } from "../layout/gpt.ts";
import type { Tools } from "../host/tools.ts";
import { bootableKind, kernelOf } from "./bootable.ts";

const LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4";
const SIZE = 8 * MiB;

const file = (patches: readonly { readonly offset: number; readonly data: Uint8Array }[]): Parameters<typeof bootableKind>[0] => {
  const bytes = new Uint8Array(SIZE);
  for (const { offset, data } of patches) bytes.set(data, offset);
  return { size: SIZE, read: (offset, length) => bytes.subarray(offset, offset + length) };
};
const table = (sectors: SectorSize, ...names: string[]) =>
  encodeGpt(
    {
      diskGuid: "00000000-0000-4000-8000-000000000000",
      size: SIZE,
      partitions: names.map((name, index) => ({
        ...{ number: index + 1, name, type: LINUX, guid: `00000000-0000-4000-8000-00000000000${index + 1}` },
        ...{ start: (index + 1) * MiB, size: MiB },
      })),
    },
    sectors,
  );

const cases = [
  {
    name: "a table with a hash tree is a system image",
    patches: table(512, "boot", "root", "root-verity"),
    kind: "system-image",
  },
  { name: "any other partition table is a raw disk", patches: table(512, "efi", "state"), kind: "raw" },
  { name: "so is one for 4096-byte sectors", patches: table(4096, "efi", "state"), kind: "raw" },
  { name: "so is a master boot record", patches: [{ offset: 510, data: Uint8Array.of(0x55, 0xaa) }], kind: "raw" },
  {
    name: "QEMU's own format is told by its magic",
    patches: [{ offset: 0, data: Uint8Array.of(0x51, 0x46, 0x49, 0xfb) }],
    kind: "qcow2",
  },
  { name: "so is VMware's", patches: [{ offset: 0, data: Buffer.from("KDMV\u0003\0\0\0") }], kind: "vmdk" },
  { name: "and Hyper-V's", patches: [{ offset: 0, data: Buffer.from("vhdxfile") }], kind: "vhdx" },
] as const;
for (const { name, patches, kind } of cases) test(name, () => assert.equal(bootableKind(file(patches)), kind));

test("a partition table whose first copy is damaged is still a disk", () => {
  const whole = file(table(512, "boot", "root", "root-verity"));
  whole.read(512, 512).fill(0);
  assert.equal(bootableKind(whole), "system-image");
});

test("an ISO of petrify's is a medium, and its kernel is found", async () => {
  const bytes = smallMedium();
  assert.equal(bootableKind({ size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) }), "medium");
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-bootable-"));
  await writeFile(join(dir.path, "my.iso"), bytes);
  const none: Tools = { root: "", id: "", run: () => assert.fail("no tool is needed"), argv: () => assert.fail() };
  const kernel = await kernelOf(none, join(dir.path, "my.iso"), dir.path);
  assert.equal(await readFile(kernel!, "utf8"), "k".repeat(3000));
});

test("anything else is refused with a hint, an empty file too", () => {
  assert.throws(() => bootableKind(file([])), { code: "NOT_BOOTABLE", hint: /petrify build/ });
  assert.throws(() => bootableKind({ size: 0, read: () => new Uint8Array() }), { code: "NOT_BOOTABLE" });
});
