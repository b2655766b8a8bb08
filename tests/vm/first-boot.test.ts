import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { GiB, MiB } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import { guidFromBytes } from "../../src/layout/guid.ts";
import type { RunFacts } from "../../src/layout/run-facts.ts";
import { BOOTS, oneOf } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";

suite("the first boot of a disk written from a file, on a larger disk", { concurrency: 2 }, () => {
  const boots = oneOf(BOOTS); // boot.test.ts goes by way of both
  /** Of every machine of this suite. */
  const identities: string[] = [];
  after(() => {
    assert.equal(identities.length, boots.length * 9, "a machine-id, a disk's GUID and seven partitions' for each machine");
    assert.equal(new Set(identities).size, identities.length, "no two machines share any");
  });

  for (const { firmware, ...disk } of boots) {
    test(`has ids of its own and the whole disk, keeps both, and its clock does not go back (${firmware}, ${disk.sectorSize}-byte sectors)`, async () => {
      const made = await fixture();
      using image = openImage(made.disk);
      const small = decodeGpt(image.read, image.size, 512).partitions.at(-1)!.size;
      const more = 2 * GiB;
      await using booted = await machine(made, { firmware, disk: { ...disk, size: image.size + more } });
      const { guest, vm } = booted;
      await guest.ready();
      const partition = async (): Promise<number> => {
        const device = await guest.check("basename $(readlink -f /run/petrify/dev/persistent)");
        return 512 * Number(await guest.check(`cat /sys/class/block/${device}/size`));
      };
      assert.equal(await partition(), small + more);
      assert.equal(await guest.check("systemctl is-system-running --wait || systemctl --failed"), "running");
      await isLarge(guest, small + more);
      await guest.check("echo kept >/usr/local/mark");
      const first = await identity(guest, disk.sectorSize);
      identities.push(...first);
      const inFile = decodeGpt(image.read, image.size, 512).partitions.map(({ guid }) => guid);
      assert.deepEqual(
        first.filter((id) => inFile.includes(id)),
        [],
        "none is the file's",
      );

      const future = 1_925_000_000; // the hardware's clock stays in the present, as one without a battery would
      await guest.check(`date --set=@${future}`);
      await guest.reboot(); // by way of firmware and GRUB, which read the new table
      assert.ok(Number(await guest.check("date +%s")) >= future, "the clock is not before the last stored time");
      assert.equal(await partition(), small + more);
      assert.equal(await guest.check("cat /usr/local/mark"), "kept");
      assert.deepEqual(await identity(guest, disk.sectorSize), first);
      assert.equal((await guest.run("test -e /run/petrify/grow-persistent")).status, 1, "there is nothing left to grow");
      await isLarge(guest, small + more);
      assert.equal(vm.consoleText().match(/cannot be (changed|stored|read)/g), null);
    });
  }
});

test("a disk beside its copy is refused, and both are named", async () => {
  await using booted = await machine(await fixture(), { twice: true, endOnReboot: true });
  await booted.vm.exited;
  assert.match(
    booted.vm.consoleText(),
    /petrify: slot a does not start: the disks vda and vdb are copies: both have the partition \S+\. Remove one of them\./,
  );
});

/** machine-id, then the GUIDs as the table on the disk has them. */
async function identity(guest: Guest, sectorSize: 512 | 4096): Promise<string[]> {
  const facts = JSON.parse(await guest.check("cat /run/petrify/boot.json")) as RunFacts;
  const start = await guest.check(`dd if=${facts.disk} bs=64K count=2 status=none | base64 -w0`);
  const bytes = Buffer.from(start, "base64");
  const at = sectorSize; // the header of the primary table
  const entries = Number(bytes.readBigUInt64LE(at + 72)) * sectorSize;
  const guids = [
    guidFromBytes(bytes, at + 56),
    ...Array.from({ length: 7 }, (_, i) => guidFromBytes(bytes, entries + i * 128 + 16)),
  ];
  assert.deepEqual(new Set(Object.values(facts.partitions).map(({ guid }) => guid)), new Set(guids.slice(1)));
  const machineId = await guest.check("cat /etc/machine-id");
  assert.match(machineId, /^[0-9a-f]{32}$/);
  return [machineId, ...guids];
}

/** As large as the partition but for the file system's own tables. */
async function isLarge(guest: Guest, partition: number): Promise<void> {
  const size = 1024 * Number(await guest.check("df --output=size /usr/local | tail -1"));
  assert.ok(size > partition * 0.9 - 16 * MiB && size <= partition, `${size} of ${partition}`);
}
