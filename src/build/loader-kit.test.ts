import assert from "node:assert/strict";
import { mkdtempDisposable, open, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import type { Tools } from "../host/tools.ts";
import { decodeLoaderKit, loaderOfDisk, loaderPlaces } from "../layout/loader-kit.ts";
import { encodeTries } from "../layout/tries.ts";
import { efiVolume } from "./disk.ts";
import { makeFat } from "./fat-volume.ts";
import { buildGrub } from "./grub.ts";
import { makeLoaderKit } from "./loader-kit.ts";

let tools: Tools;
before(async () => {
  tools = await testTools();
});

test("a loader kit holds what a build puts on a disk, byte for byte, and is the same each time", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-kit-"));
  const time = 1_700_000_000;
  const work = folder.path;
  const kit = await makeLoaderKit(tools, { slotSize: undefined, time, work }, undefined);
  await using other = await mkdtempDisposable(join(tmpdir(), "petrify-kit-other-"));
  assert.deepEqual(await makeLoaderKit(tools, { slotSize: undefined, time, work: other.path }, undefined), kit);
  assert.ok(kit.length < 2 * 1024 ** 2, `${kit.length}`);

  const { bios, efi } = loaderPlaces();
  const tries = encodeTries({ a: 3, b: 0 });
  const guid = "1234abcd-0000-4000-8000-000000000000";
  const disk = join(work, "disk");
  await writeFile(disk, "");
  await truncate(disk, 100 * 1024 ** 3);
  const grub = await buildGrub(tools, { biosPartition: bios, work });
  const volume = efiVolume({ file: disk, place: efi, volumeId: "1234abcd", files: grub.espFiles, tries, time });
  await makeFat(tools, volume, join(work, "again"));

  const pieces = loaderOfDisk(decodeLoaderKit(kit), { efi: guid, tries });
  assert.deepEqual(
    pieces.filter(({ offset }) => offset < efi.start).map(({ offset, data }) => ({ offset, data: Buffer.from(data) })),
    grub.biosPatches.map(({ offset, data }) => ({ offset, data: Buffer.from(data) })),
  );
  await using made = await open(disk);
  const wanted = Buffer.alloc(efi.size);
  await made.read(wanted, 0, efi.size, efi.start);
  const found = Buffer.alloc(efi.size);
  for (const { offset, data } of pieces) if (offset >= efi.start) found.set(data, offset - efi.start);
  assert.equal(Buffer.compare(found, wanted), 0);
});
