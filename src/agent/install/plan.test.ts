/** On files in place of disks; on real ones: tests/vm/install.test.ts. */
import assert from "node:assert/strict";
import { mkdtempDisposable, open, realpath, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { MiB, type Bytes } from "../../core/units.ts";
import { run, type Run } from "../../host/run.ts";
import { DISK_PARTITIONS, diskGpt, planDisk, type DiskGuids } from "../../layout/disk.ts";
import { UNFINISHED } from "../../layout/flash-plan.ts";
import { encodeGpt } from "../../layout/gpt.ts";
import { encodeInstallMark, INSTALL_MARK_OFFSET } from "../../layout/install-mark.ts";
import type { Manifest } from "../../release/manifest.ts";
import { planInstall, type Installable } from "./plan.ts";

const PLAN = planDisk({ imageSize: 4 * MiB, slotSize: 8 * MiB });
const IMAGE: Installable = {
  ...{ path: "/image", size: 4 * MiB, digest: "00", loader: { pieces: [] }, disk: PLAN },
  manifest: { name: "edge", version: "1.2.0" } as Manifest,
};
const GUIDS = Object.fromEntries(
  ["disk", ...DISK_PARTITIONS].map((name, index) => [name, `0000000${index}-1111-4222-8333-444444444444`]),
) as unknown as DiskGuids;

interface Patch {
  readonly offset: Bytes;
  readonly data: Uint8Array;
}
async function disk(patches: readonly Patch[] = [], size = PLAN.size): Promise<{ readonly path: string } & AsyncDisposable> {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-plan-"));
  const path = join(await realpath(folder.path), "disk");
  await writeFile(path, "");
  await truncate(path, size);
  await using file = await open(path, "r+");
  for (const { offset, data } of patches) await file.write(data, 0, data.length, offset);
  return { path, [Symbol.asyncDispose]: async () => await folder.remove() };
}
const MARKED: readonly Patch[] = [
  ...encodeGpt(diskGpt(PLAN, GUIDS), "both"),
  { offset: PLAN.partitions.record.start + INSTALL_MARK_OFFSET, data: encodeInstallMark("medium:00") },
];

suite("the plan of an installation", () => {
  test("names the disk, the image, and the smallest disk that would do", async () => {
    await using blank = await disk();
    const plan = await planInstall({ device: blank.path, wipe: false }, IMAGE, run);
    assert.deepEqual([plan.disk.target.path, plan.disk.refusals, plan.rule], [blank.path, [], `${blank.path} was named.`]);
    assert.deepEqual(
      [plan.image, plan.slotSize, plan.needed],
      [{ name: "edge", version: "1.2.0", size: 4 * MiB }, 8 * MiB, PLAN.size],
    );
  });

  test("is refused where the disk is a byte too small, or holds data", async () => {
    await using small = await disk([], PLAN.size - 512);
    await assert.rejects(planInstall({ device: small.path, wipe: true }, IMAGE, run), { code: "DISK_TOO_SMALL" });
    await using used = await disk([{ offset: 0, data: Uint8Array.of(1) }]);
    await assert.rejects(planInstall({ device: used.path, wipe: false }, IMAGE, run), { code: "DEVICE_HOLDS_DATA" });
    const { disk: found } = await planInstall({ device: used.path, wipe: true }, IMAGE, run);
    assert.deepEqual(
      found.refusals.map(({ code }) => code),
      ["DEVICE_HOLDS_DATA"],
      "what speaks against it is said all the same",
    );
  });

  test("says of a disk of petrify's what it is, and what began its installation", async () => {
    await using marked = await disk(MARKED);
    const { target, installedFrom } = (await planInstall({ device: marked.path, wipe: true }, IMAGE, run)).disk;
    assert.deepEqual([target.found[0], installedFrom], ["a disk of petrify's", "medium:00"]);
  });

  test("does not believe the mark of a disk that is half written", async () => {
    await using half = await disk([...MARKED, { offset: 0, data: UNFINISHED }]);
    const { installedFrom } = (await planInstall({ device: half.path, wipe: true }, IMAGE, run)).disk;
    assert.equal(installedFrom, undefined);
  });

  test("of auto judges every disk, and says why none can be had", async () => {
    await using used = await disk([{ offset: 0, data: Uint8Array.of(1) }]);
    const listed: Run = async (argv, options) => {
      if (argv[0] !== "lsblk") return await run(argv, options);
      const device = { name: used.path, type: "disk", size: PLAN.size };
      return { exitCode: 0, stdout: JSON.stringify({ blockdevices: [device] }), stderr: "" };
    };
    await assert.rejects(planInstall({ device: "auto", wipe: false }, IMAGE, listed), { code: "DEVICE_MISSING" });
  });
});
