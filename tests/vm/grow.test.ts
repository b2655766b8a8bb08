import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { GiB, MiB } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import { BOOTS } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";

suite("a disk that is larger than its image", { concurrency: 2 }, () => {
  for (const { firmware, ...disk } of BOOTS) {
    test(`the persistent folders get the whole of it at the first boot (${firmware}, ${disk.sectorSize}-byte sectors)`, async () => {
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

      await guest.reboot(); // by way of firmware and GRUB, which read the new table
      assert.equal(await partition(), small + more);
      assert.equal(await guest.check("cat /usr/local/mark"), "kept");
      assert.equal((await guest.run("test -e /run/petrify/grow-persistent")).status, 1, "there is nothing left to grow");
      await isLarge(guest, small + more);
      assert.equal(vm.consoleText().match(/cannot grow/g), null);
    });
  }
});

/** As large as the partition but for the file system's own tables. */
async function isLarge(guest: Guest, partition: number): Promise<void> {
  const size = 1024 * Number(await guest.check("df --output=size /usr/local | tail -1"));
  assert.ok(size > partition * 0.9 - 16 * MiB && size <= partition, `${size} of ${partition}`);
}
