import assert from "node:assert/strict";
import { open, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { convertDisk } from "../../src/build/disk-format.ts";
import { MiB } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import { petrify, workspace } from "../support/cli.ts";
import { takeCore } from "../support/turns.ts";
import { FULL, inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";

const MORE = 512 * MiB;

/** A file of that size with the bytes of another life: both ends, and everywhere a few. */
async function usedDisk(path: string, size: number): Promise<void> {
  await writeFile(path, "");
  await truncate(path, size);
  await using file = await open(path, "r+");
  const junk = new Uint8Array(MiB).fill(0xe5);
  for (let at = 0; at + junk.length <= size; at += 16 * MiB) await file.write(junk, 0, junk.length, at);
  await file.write(junk, 0, junk.length, size - junk.length);
}

async function sameBytes(one: string, other: string): Promise<boolean> {
  using a = openImage(one);
  using b = openImage(other);
  for (let at = 0; at < a.size; at += MiB) {
    if (Buffer.compare(a.read(at, MiB), b.read(at, Math.min(MiB, a.size - at))) !== 0) return false;
  }
  return true;
}

suite("petrify flash", { concurrency: 1 }, () => {
  test(
    "a disk as qcow2 becomes the disk that it holds, whatever was there; another image is refused by the name of the first",
    { skip: inTurn(1) },
    async () => {
      const made = await fixture();
      await using user = await workspace({ "disk.qcow2": "" });
      await using _ = await takeCore();
      const [packed, target] = [join(user.folder, "disk.qcow2"), join(user.folder, "target")];
      await convertDisk(made.host.tools, made.disk, "qcow2", packed);
      using disk = openImage(made.disk);
      await usedDisk(target, disk.size + MORE);
      const refused = await petrify(["flash", packed, target, "--yes"], { cwd: user.folder });
      assert.match(refused.stderr, /holds data: data of no known kind at 0 B\nhint: .*--wipe/);
      const ran = await petrify(["flash", packed, target, "--yes", "--wipe"], { cwd: user.folder });
      assert.equal(ran.exitCode, 0, ran.stderr);
      assert.ok(await sameBytes(made.disk, target));
      const again = await petrify(["flash", made.image, target, "--yes"], { cwd: user.folder });
      assert.match(again.stderr, /holds data: petrify-test \S+, a disk of petrify's; a partition table \(GPT\)/);
    },
  );

  test(
    "a system image becomes a disk that boots and takes all the room there is",
    { skip: FULL ? false : "only in full runs" },
    async () => {
      const made = await fixture();
      await using user = await workspace();
      const target = join(user.folder, "target");
      using disk = openImage(made.disk);
      await usedDisk(target, disk.size + MORE);
      {
        await using _ = await takeCore();
        const ran = await petrify(["flash", made.image, target, "--yes", "--wipe"], { cwd: user.folder });
        assert.equal(ran.exitCode, 0, ran.stderr);
      }
      await using booted = await machine({ ...made, disk: target });
      const { guest, vm } = booted;
      await guest.ready();
      assert.equal(await guest.check("systemctl is-system-running --wait || systemctl --failed"), "running");
      const device = await guest.check("basename $(readlink -f /run/petrify/dev/persistent)");
      using written = openImage(target);
      const { start } = decodeGpt(written.read, written.size, 512).partitions.at(-1)!;
      assert.equal(512 * Number(await guest.check(`cat /sys/class/block/${device}/size`)), written.size - MiB - start);
      assert.equal(vm.consoleText().match(/cannot be (changed|stored|read)/g), null);
    },
  );
});
