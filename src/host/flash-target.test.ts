import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtempDisposable, open, realpath, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import { UNFINISHED } from "../layout/flash-plan.ts";
import { encodeGpt } from "../layout/gpt.ts";
import { refusalsOf } from "../layout/flash-target.ts";
import { LSBLK_COLUMNS } from "../layout/lsblk.ts";
import { MEDIUM_ID_AT, MEDIUM_ID_SIZE, mediumName } from "../layout/medium-id.ts";
import { loopDevice, LOOPS } from "./fake-disk.ts";
import { findTarget, targetFacts, wholeDisks } from "./flash-target.ts";
import { run, scriptedRun } from "./run.ts";

const SIZE = 64 * MiB;
const codes = async (path: string, { wipe = false, needed = MiB } = {}): Promise<string[]> =>
  refusalsOf(await targetFacts(path, run), { needed, wipe }).map(({ code }) => code);

async function file(folder: string, name = "disk"): Promise<string> {
  const path = join(await realpath(folder), name);
  await writeFile(path, "");
  await truncate(path, SIZE);
  return path;
}
async function put(path: string, bytes: Uint8Array, at: number): Promise<void> {
  await using disk = await open(path, "r+");
  await disk.write(bytes, 0, bytes.length, at);
}
const scratch = async () => await mkdtempDisposable(join(tmpdir(), "petrify-target-"));

test("a blank file is taken, one with data says what is on it", async () => {
  await using folder = await scratch();
  const path = await file(folder.path);
  assert.deepEqual(await codes(path), []);
  await run(["mkswap", "--quiet", "--label", "photos", path]);
  assert.deepEqual((await targetFacts(path, run)).found, ['swap "photos"']);
  assert.deepEqual(await codes(path), ["DEVICE_HOLDS_DATA"]);
  assert.deepEqual(await codes(path, { wipe: true }), []);
  assert.deepEqual(await codes(path, { wipe: true, needed: SIZE + 1 }), ["DISK_TOO_SMALL"]);
});

test("the medium that a system was started from is refused whatever is asked, another one is data like any", async () => {
  await using folder = await scratch();
  const path = await file(folder.path);
  const [own, other] = ["a", "b"].map((digit) => digit.repeat(32)) as [string, string];
  await put(path, new TextEncoder().encode(mediumName(own).padEnd(MEDIUM_ID_SIZE)), MEDIUM_ID_AT);
  const codesFrom = async (medium: string): Promise<string[]> =>
    refusalsOf(await targetFacts(path, run, medium), { needed: MiB, wipe: true }).map(({ code }) => code);
  assert.deepEqual(await codesFrom(own), ["DEVICE_IS_MEDIUM"]);
  assert.deepEqual(await codesFrom(other), []);
  assert.deepEqual(await codes(path), ["DEVICE_HOLDS_DATA"]);
});

test("the whole disks of a machine are those that a system could be on", async () => {
  const line = `lsblk --json --bytes --paths --output ${LSBLK_COLUMNS} --nodeps`;
  const devices = [
    ["/dev/sda", "disk", 100],
    ["/dev/nvme0n1", "disk", 100],
    ["/dev/zram0", "disk", 100],
    ["/dev/loop0", "loop", 100],
    ["/dev/sr0", "rom", 100],
    ["/dev/sdc", "disk", 0],
  ].map(([name, type, size]) => ({ name, type, size }));
  const scripted = scriptedRun({ [line]: { stdout: JSON.stringify({ blockdevices: devices }) } });
  assert.deepEqual(await wholeDisks(scripted.run), ["/dev/sda", "/dev/nvme0n1"]);
});

for (const at of [0, 700_000, 40 * MiB, SIZE - 1]) {
  test(`a byte of unknown data at ${at} is data`, async () => {
    await using folder = await scratch();
    const path = await file(folder.path);
    await put(path, Uint8Array.of(7), at === 40 * MiB ? Math.floor((40 * MiB) / (SIZE / 128)) * (SIZE / 128) : at);
    assert.match((await targetFacts(path, run)).found.join(), /^data of no known kind at /);
  });
}

test("erased flash memory, all ones, is blank; so is a disk that was cut off while it was written", async () => {
  await using folder = await scratch();
  const path = await file(folder.path);
  await put(path, new Uint8Array(MiB).fill(0xff), 0);
  assert.deepEqual(await codes(path), []);
  await put(path, Uint8Array.of(7), 2 * MiB);
  await put(path, UNFINISHED, 0);
  assert.deepEqual(await codes(path), []);
  const guid = "00000000-0000-4000-8000-000000000001";
  const headers = encodeGpt({ diskGuid: guid, size: SIZE, partitions: [] }, "both").filter(({ offset }) => offset !== 440);
  for (const { offset, data } of headers) await put(path, data, offset);
  assert.deepEqual(await codes(path), [], "the headers are written before the boot sector");
  await run(["mkswap", path]);
  assert.deepEqual(await codes(path), ["DEVICE_HOLDS_DATA"], "somebody has made use of it since");
});

test("a device is told from a file; mounted, write-protected and in use it is refused", { skip: LOOPS }, async () => {
  await using folder = await scratch();
  const path = await file(folder.path);
  await run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", path]);
  {
    await using loop = await loopDevice(path, { readOnly: true });
    assert.deepEqual(await codes(loop.path, { wipe: true }), ["DEVICE_READ_ONLY"]);
  }
  await using loop = await loopDevice(path, { sectorSize: 4096 });
  const { kind, size, sectorSize, isBusy } = await targetFacts(loop.path, run);
  assert.deepEqual([kind, size, sectorSize, isBusy], ["disk", SIZE, 4096, false]);
  assert.deepEqual(await codes(path, { wipe: true }), ["DEVICE_HELD"], "the file that a loop device shows is in use");
  const point = join(folder.path, "mnt");
  await mkdir(point);
  await run(["mount", loop.path, point]);
  try {
    const facts = await targetFacts(loop.path, run);
    assert.deepEqual(facts.mounts, [{ device: loop.path, at: await realpath(point) }]);
    assert.equal(facts.isBusy, true);
    assert.deepEqual(
      refusalsOf({ ...facts, mounts: [] }, { needed: 1, wipe: true }).map(({ code }) => code),
      ["DEVICE_BUSY"],
    );
  } finally {
    await run(["umount", point]);
  }
});

test("a mount in another mount namespace is in use, too", { skip: LOOPS }, async () => {
  await using folder = await scratch();
  const path = await file(folder.path);
  await run(["mke2fs", "-q", "-t", "ext4", path]);
  await using loop = await loopDevice(path);
  const script = 'mount "$0" /mnt && echo mounted && read -r _';
  const argv = ["unshare", "--mount", "sh", "-c", script, loop.path];
  const elsewhere = spawn(argv[0]!, argv.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  const closed = once(elsewhere, "close");
  try {
    await once(elsewhere.stdout, "data");
    const { mounts, isBusy } = await targetFacts(loop.path, run);
    assert.deepEqual({ mounts, isBusy }, { mounts: [], isBusy: true });
  } finally {
    elsewhere.stdin.end();
    await closed;
  }
});

const LSBLK = `lsblk --json --bytes --paths --output ${LSBLK_COLUMNS}`;
const disk = (name: string, serial: string) => ({ name, type: "disk", size: 1000, serial });

test("a disk is found by path, by name of /dev/disk/by-id, by serial number and by size, and is never guessed", async () => {
  await using folder = await scratch();
  const path = await file(folder.path);
  await symlink(path, join(folder.path, "usb-Stick"));
  const { run: said } = scriptedRun({
    [`${LSBLK} --nodeps`]: {
      stdout: JSON.stringify({ blockdevices: [disk("/dev/sda", "X1"), disk("/dev/sdb", "X2"), disk("/dev/sdc", "X2")] }),
    },
  });
  const find = async (name: string): Promise<string> => await findTarget(name, { run: said, cwd: folder.path });
  assert.equal(await find("disk"), path);
  assert.equal(await find("usb-Stick"), path);
  assert.equal(await find(path), path);
  assert.equal(await find("serial:X1"), "/dev/sda");
  const code = (expected: string, says: RegExp) => (error: unknown) =>
    error instanceof AppError && error.code === expected && says.test(error.message);
  await assert.rejects(find("serial:X2"), code("DEVICE_AMBIGUOUS", /\/dev\/sdb .*, \/dev\/sdc /));
  await assert.rejects(find("size:1K"), code("DEVICE_AMBIGUOUS", /sda.*sdb.*sdc/));
  await assert.rejects(find("size:5G"), code("DEVICE_MISSING", /there is no disk with a size from/));
  await assert.rejects(find("auto"), code("DEVICE_NOT_NAMED", /has to be named/));
  await assert.rejects(find("size:5"), code("DEVICE_NAME_INVALID", /names no disk/));
  await assert.rejects(find("serial:X3"), code("DEVICE_MISSING", /X3/));
  await assert.rejects(find("/dev/sdx-none"), code("DEVICE_MISSING", /sdx-none/));
  await assert.rejects(targetFacts(folder.path, run), code("DEVICE_NOT_A_DISK", /neither a disk/));
  await assert.rejects(targetFacts("/dev/null", run), code("DEVICE_NOT_A_DISK", /neither a disk/));
});
