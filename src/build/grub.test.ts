import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { AppError } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import { buildGrub } from "./grub.ts";

const biosPartition = { start: 3 * MiB, size: MiB };

test("GRUB is the same bytes each time, and its boot sector finds the core wherever the bios partition is", async () => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-grub-"));
  const [one, two] = [
    await buildGrub(tools, { biosPartition, work: join(folder.path, "one") }),
    await buildGrub(tools, { biosPartition, work: join(folder.path, "two") }),
  ];
  assert.deepEqual(two, one);
  const [sector, core] = one.biosPatches;
  assert.deepEqual([sector?.offset, sector?.data.length, core?.offset], [0, 440, 3 * MiB]);
  assert.equal(Buffer.from(sector!.data).readBigUInt64LE(0x5c), BigInt((3 * MiB) / 512));
  assert.equal(Buffer.from(core!.data).readBigUInt64LE(500), BigInt((3 * MiB) / 512 + 1));
  assert.deepEqual(
    one.espFiles.map(({ path }) => path),
    ["/EFI/BOOT/BOOTX64.EFI"],
  );
});

test("a script that GRUB cannot read is refused, with GRUB's own words", async () => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-grub-"));
  await assert.rejects(buildGrub(tools, { biosPartition, work: folder.path, script: "if true; then\n" }), (error) => {
    return error instanceof AppError && error.code === "TOOL_FAILED" && /syntax error/i.test(error.message);
  });
});
