import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { MiB } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import type { Patch } from "../../src/layout/patch.ts";
import { statusOf } from "./harness/agent.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";

/** What programs find where a partition cannot be mounted. */
const CASES = [
  { partition: "persistent", folder: "/usr/local", failed: /petrify-fsck@persistent\.service/ },
  { partition: "oem", folder: "/oem", failed: /petrify-fsck@oem\.service/ },
] as const;

suite("a data partition that cannot be mounted", { concurrency: 2 }, () => {
  for (const { partition, folder, failed } of CASES) {
    test(`${partition} damaged: the machine is up, says so, costs no try, and stays the same machine`, async () => {
      const made = await fixture();
      const patches = damage(made.disk, partition);
      await using booted = await machine(made, { disk: { patches } });
      const { guest } = booted;
      await guest.ready();
      assert.equal(await guest.check("systemctl is-system-running --wait || true"), "degraded");
      assert.match(await guest.check("systemctl --failed --plain --no-legend"), failed);
      assert.notEqual((await guest.run(`mountpoint -q ${folder}`)).status, 0);
      const status = await statusOf(guest);
      assert.equal(status.health.is, "healthy");
      assert.deepEqual(
        status.degraded.map(({ partition: name, is }) => `${name} ${is}`),
        [`${partition} not mounted`],
      );
      assert.match(
        status.alarms.map(({ message }) => message).join("\n"),
        new RegExp(`the ${partition} partition cannot be mounted`),
      );
      assert.equal(status.slots.a.tries, 6);
      const machineId = await guest.check("cat /etc/machine-id");
      await guest.reboot();
      assert.equal(await guest.check("cat /etc/machine-id"), machineId);
      assert.match(await guest.check("cat /run/petrify/boot.json"), /"slot":"a"/);
    });
  }
});

/** Garbage over every superblock: nothing for a check to go by. */
function damage(disk: string, name: string): Patch[] {
  using image = openImage(disk);
  const { start, size } = decodeGpt(image.read, image.size, 512).partitions.find((partition) => partition.name === name)!;
  const data = new Uint8Array(64 * 1024).fill(0x55);
  const places = Array.from({ length: Math.ceil(size / MiB) }, (_, index) => start + index * MiB);
  // mke2fs puts copies at the starts of groups: of 8 MiB with blocks of 1 KiB (one block in), of 128 MiB with blocks of 4 KiB.
  return places.filter((_, index) => index % 8 === 0).map((offset) => ({ offset, data }));
}
