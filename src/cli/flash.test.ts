import assert from "node:assert/strict";
import { link, mkdtempDisposable, open, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { MiB } from "../core/units.ts";
import { loopDevice, LOOPS } from "../host/fake-disk.ts";
import { run } from "../host/run.ts";
import { DISK_PARTITIONS } from "../layout/disk.ts";
import { decodeGpt, encodeGpt, PARTITION_TYPES } from "../layout/gpt.ts";
import type { Guid } from "../layout/guid.ts";
import { runForTest, type Ran } from "./testing.ts";

const SIZE = 16 * MiB;
const guid = (n: number): Guid => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

/** A folder with `disk.raw`, which has petrify's partitions, and a blank `target` that is somewhat larger. */
async function desk({ more = 4 * MiB }: { more?: number } = {}) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-flash-"));
  const image = new Uint8Array(SIZE).fill(0x5a, 3 * MiB, 7 * MiB + 300);
  const partitions = DISK_PARTITIONS.map((name, at) => ({
    ...{ number: at + 1, name, type: PARTITION_TYPES.linux, guid: guid(at + 1), start: (at + 1) * MiB, size: MiB },
  }));
  for (const { offset, data } of encodeGpt({ diskGuid: guid(99), size: SIZE, partitions }, "both")) image.set(data, offset);
  await writeFile(join(folder.path, "disk.raw"), image);
  const target = join(folder.path, "target");
  await writeFile(target, "");
  await truncate(target, SIZE + more);
  return { ...folder, folder: folder.path, image, target, isWritten: async (path = target) => await startsWith(path, image) };
}
const startsWith = async (path: string, bytes: Uint8Array): Promise<boolean> => {
  await using file = await open(path);
  const found = Buffer.alloc(bytes.length);
  for (let at = 0; at < found.length;) {
    const { bytesRead } = await file.read(found, at, Math.min(MiB, found.length - at), at);
    if (bytesRead === 0) return false;
    at += bytesRead;
  }
  return Buffer.compare(found, bytes) === 0;
};
const result = ({ out }: Ran): Record<string, unknown> =>
  (JSON.parse(out.trim().split("\n").at(-1)!) as { value: Record<string, unknown> }).value;

test("a disk is written to a file, byte for byte; said what, and how fast", async () => {
  await using at = await desk();
  const ran = await runForTest(["flash", "disk.raw", "target", "--yes"], { cwd: at.folder });
  assert.deepEqual([ran.exitCode, await at.isWritten()], [0, true], ran.err);
  assert.match(
    ran.out,
    /target holds a disk of petrify's: 16 MiB written and read back in [\d.]+ s.*\nIt boots on BIOS and UEFI/,
  );
});

test("with --json there is progress with speed and time left", async () => {
  await using at = await desk();
  const ran = await runForTest(["flash", "disk.raw", "target", "--yes", "--json"], { cwd: at.folder });
  const told = ran.out.split("\n").filter((line) => line.includes('"phase"'));
  assert.match(told.join("\n"), /"phase":"writing","done":\d+,"total":\d+,"bytesPerSecond":\d+/);
  assert.match(told.join("\n"), /"phase":"reading back"/);
  const { changed, bytes } = result(ran);
  assert.deepEqual([changed, bytes], [true, SIZE]);
});

test("a disk of petrify's is refused by name without --wipe, and overwritten with it", async () => {
  await using at = await desk();
  await runForTest(["flash", "disk.raw", "target", "--yes"], { cwd: at.folder });
  const refused = await runForTest(["flash", "disk.raw", "target", "--yes"], { cwd: at.folder });
  assert.equal(refused.exitCode, 1);
  assert.match(refused.err, /holds data: a disk of petrify's; a partition table \(GPT\)\nhint: .*--wipe/);
  assert.equal((await runForTest(["flash", "disk.raw", "target", "--yes", "--wipe"], { cwd: at.folder })).exitCode, 0);
});

test("--dry-run says what would be written and what speaks against it, and changes nothing", async () => {
  await using at = await desk();
  await run(["mkswap", "--quiet", "--label", "photos", at.target]);
  const before = await readFile(at.target);
  const ran = await runForTest(["flash", "disk.raw", "target", "--dry-run"], { cwd: at.folder });
  assert.equal(ran.exitCode, 0, ran.err);
  assert.match(
    ran.out,
    /^would write 16 MiB of .*disk\.raw to .*target \(a file, 20 MiB\)\nnot done: .*swap "photos"\n +If .*--wipe\.\n$/,
  );
  assert.equal(Buffer.compare(await readFile(at.target), before), 0);
});

const REFUSED: readonly (readonly [what: string, args: string[], err: RegExp])[] = [
  ["a target that is too small", ["disk.raw", "small"], /the image needs 16 MiB \(16777216 bytes\), and .*small has 8 MiB/],
  ["a target that is not there", ["disk.raw", "none"], /there is no disk none\nhint: .*lsblk/],
  ["a folder", ["disk.raw", "."], /neither a disk nor a regular file/],
  ["the image itself", ["disk.raw", "disk.raw", "--wipe"], /is the image itself/],
  ["the image itself by another name", ["other.raw", "disk.raw", "--wipe"], /is the image itself/],
  ["the image by a link", ["link.raw", "disk.raw", "--wipe"], /is the image itself/],
  ["an image that is not there", ["none.raw", "target"], /none\.raw cannot be run|cannot be read/],
  ["what is no image", ["text", "target"], /neither a system image nor a disk/],
];
for (const [what, args, err] of REFUSED) {
  test(`${what} is refused before anything is written`, async () => {
    await using at = await desk();
    await writeFile(join(at.folder, "text"), "text\n".repeat(1000));
    await writeFile(join(at.folder, "small"), new Uint8Array(8 * MiB));
    await link(join(at.folder, "disk.raw"), join(at.folder, "other.raw"));
    await symlink("disk.raw", join(at.folder, "link.raw"));
    const ran = await runForTest(["flash", ...args, "--yes"], { cwd: at.folder });
    assert.equal(ran.exitCode, 1);
    assert.match(ran.err, err);
    assert.ok((await readFile(at.target)).every((byte) => byte === 0));
    assert.ok(await at.isWritten(join(at.folder, "disk.raw")));
  });
}

const ANSWERS: readonly (readonly [typed: string | undefined, args: string[], exitCode: number, err: RegExp])[] = [
  ["target\n", [], 0, /This overwrites .*target \(a file, 20 MiB\)\.\nType target to go on: /],
  ["yes\n", [], 1, /error: nothing was done\nhint: .*--yes/],
  ["\n", [], 1, /nothing was done/],
  [undefined, [], 1, /what is on .*target would be lost, and there is nobody to ask/],
  ["target\n", ["--json"], 1, /^$/],
];
for (const [typed, args, exitCode, err] of ANSWERS) {
  test(`asked ${typed === undefined ? "nobody" : `and answered ${JSON.stringify(typed)}`} ${args.join()}: ${exitCode}`, async () => {
    await using at = await desk();
    const input = Object.assign(new PassThrough(), { isTTY: typed !== undefined });
    input.end(typed ?? "");
    const ran = await runForTest(["flash", "disk.raw", "target", ...args], { cwd: at.folder, input });
    assert.equal(ran.exitCode, exitCode, ran.err);
    assert.match(ran.err, err);
    assert.equal(await at.isWritten(), exitCode === 0);
  });
}

for (const sectorSize of [512, 4096] as const) {
  test(
    `a device with sectors of ${sectorSize} bytes is written over what it held; mounted it is refused`,
    { skip: LOOPS },
    async () => {
      await using at = await desk();
      await run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-L", "photos", at.target]);
      await using loop = await loopDevice(at.target, { sectorSize });
      const flash = async (...args: string[]) =>
        await runForTest(["flash", "disk.raw", loop.path, "--yes", ...args], { cwd: at.folder });
      {
        await using point = await mkdtempDisposable(join(tmpdir(), "petrify-mount-"));
        await run(["mount", loop.path, point.path]);
        try {
          const { err } = await flash("--wipe");
          assert.match(
            err,
            new RegExp(`${loop.path} is mounted: ${loop.path} at ${point.path}\nhint: Unmount it first: umount ${loop.path}`),
          );
        } finally {
          await run(["umount", point.path]);
        }
      }
      assert.match((await flash()).err, new RegExp(`${basename(loop.path)} holds data: ext4 "photos"`));
      const ran = await flash("--wipe");
      assert.deepEqual([ran.exitCode, await at.isWritten(loop.path)], [0, true], ran.err);
      const disk = await readFile(at.target);
      for (const size of [512, 4096] as const) {
        const table = decodeGpt((from, n) => disk.subarray(from, from + n), disk.length, size);
        assert.deepEqual([table.damage, table.partitions.length], [undefined, DISK_PARTITIONS.length]);
      }
    },
  );
}

test(
  "a loop device that shows the image is refused; --dry-run tells every reason of a disk in use",
  { skip: LOOPS },
  async () => {
    await using at = await desk();
    {
      await using loop = await loopDevice(join(at.folder, "disk.raw"));
      const ran = await runForTest(["flash", "disk.raw", loop.path, "--yes", "--wipe"], { cwd: at.folder });
      assert.match(ran.err, /is the image itself/);
      assert.ok(await at.isWritten(join(at.folder, "disk.raw")));
    }
    await run(["mkswap", "--quiet", at.target]);
    await using _ = await loopDevice(at.target);
    const { out } = await runForTest(["flash", "disk.raw", "target", "--dry-run"], { cwd: at.folder });
    assert.match(out, /not done: .* shows it\n.*\nnot done: .*holds data: swap\n/);
  },
);

test("Ctrl-C in the middle: nothing boots, it is said, and the same command makes it whole", async () => {
  await using at = await desk();
  const stop = new AbortController();
  const ran = await runForTest(["flash", "disk.raw", "target", "--yes", "--json"], {
    cwd: at.folder,
    signal: stop.signal,
    onOut: (text) => text.includes('"phase":"writing"') && stop.abort(new Error("stopped")),
  });
  assert.match(ran.out, /"type":"unfinished","path":".*target"/);
  const disk = await readFile(at.target);
  for (const sectorSize of [512, 4096] as const) {
    assert.throws(() => decodeGpt((from, n) => disk.subarray(from, from + n), disk.length, sectorSize), /both partition tables/);
  }
  const again = await runForTest(["flash", "disk.raw", "target", "--yes"], { cwd: at.folder });
  assert.deepEqual([again.exitCode, await at.isWritten()], [0, true], again.err);
});

test("a target without room ends with the place and the reason, and what is there boots nothing", { skip: LOOPS }, async () => {
  await using at = await desk();
  await using point = await mkdtempDisposable(join(tmpdir(), "petrify-full-"));
  await run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", point.path]);
  try {
    const full = join(point.path, "target");
    await writeFile(full, "");
    await truncate(full, SIZE);
    const ran = await runForTest(["flash", "disk.raw", full, "--yes"], { cwd: at.folder });
    assert.equal(ran.exitCode, 1);
    assert.match(
      ran.err,
      /target is not whole: start no machine from it.*safe to repeat.*\nerror: .*target cannot be written at \d MiB \(byte \d+\): ENOSPC\nhint: There is no room/s,
    );
  } finally {
    await run(["umount", point.path]);
  }
});
