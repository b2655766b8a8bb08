import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { smallMedium } from "../../tests/support/small-medium.ts";
import { MiB } from "../core/units.ts";
import { runForTest } from "./testing.ts";

/** A folder with `my.iso`, and `larger.iso`, which is that with 4 MiB more. */
async function desk() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-medium-"));
  const larger = new Uint8Array(4 * MiB);
  larger.set(smallMedium());
  await writeFile(join(folder.path, "my.iso"), smallMedium());
  await writeFile(join(folder.path, "larger.iso"), larger);
  return folder;
}

test("petrify inspect says of a medium what it runs, where and on what", async () => {
  await using at = await desk();
  const { exitCode, out } = await runForTest(["inspect", "my.iso"], { cwd: at.path });
  assert.equal(exitCode, 0);
  assert.equal(
    out,
    `medium         0123456789abcdef0123456789abcdef
image          my-os 0.1.0
memory         960 MiB, at least
installs to    disks of 4.5 GiB and more
`,
  );
});

test("petrify flash writes a medium as it is, onto something larger, and says what one does with it", async () => {
  await using at = await desk();
  const target = join(at.path, "stick");
  await writeFile(target, "");
  await truncate(target, 8 * MiB);
  const { exitCode, out, err } = await runForTest(["flash", "larger.iso", "stick", "--yes"], { cwd: at.path });
  assert.equal(exitCode, 0, err);
  assert.match(out, /stick holds my-os 0\.1\.0, an install medium: 4 MiB written and read back/);
  assert.match(out, /onto its partition PETRIFY, as machine\.yaml/);
  const [wrote, given] = [await readFile(target), await readFile(join(at.path, "larger.iso"))];
  assert.ok(wrote.subarray(0, given.length).equals(given));
});

test("a medium that is cut off is refused", async () => {
  await using at = await desk();
  await truncate(join(at.path, "my.iso"), 40_000);
  for (const command of ["inspect", "run"]) {
    const { exitCode, err } = await runForTest([command, "my.iso"], { cwd: at.path });
    assert.equal(exitCode, 1);
    assert.match(err, /not a whole medium/);
  }
});

const refused: readonly [what: string, args: readonly string[], exit: number, says: RegExp][] = [
  ["options of a medium, for a disk", ["run", "disk.raw", "--medium", "usb"], 2, /--medium is for an iso/],
  ["a size for the disk, of a disk", ["run", "disk.raw", "--disk-size", "8GiB"], 2, /--disk-size is for an iso/],
  ["a medium for a VM of a disk", ["vm", "create", "web", "disk.raw", "--medium", "cd"], 2, /--medium is for an iso/],
  ["a medium of another kind", ["run", "my.iso", "--medium", "tape"], 2, /cd, usb/],
  ["a medium whose changes are to be kept", ["run", "my.iso", "--keep"], 1, /nothing to keep changes in\nhint: .*vm create/],
  ["a medium as an image in memory", ["run", "my.iso", "--ram"], 1, /no system image/],
  [
    "a VM with too little memory",
    ["vm", "create", "web", "my.iso", "--memory", "512MiB"],
    1,
    /from memory with 512 MiB\nhint: .*960 MiB/,
  ],
  ["too little memory", ["run", "my.iso", "--memory", "512MiB"], 1, /from memory with 512 MiB\nhint: .*960 MiB/],
  ["a config without a medium", ["build", "--config", "node.yaml"], 2, /--config is what goes onto a medium/],
];
for (const [what, args, exit, says] of refused) {
  test(`${what} is refused with a hint`, async () => {
    await using at = await desk();
    const sector = new Uint8Array(512);
    sector.set([0x55, 0xaa], 510);
    await writeFile(join(at.path, "disk.raw"), sector);
    const { exitCode, err } = await runForTest(args, { cwd: at.path });
    assert.match(err, says);
    assert.equal(exitCode, exit);
  });
}
