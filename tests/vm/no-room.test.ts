import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { statusOf } from "./harness/agent.ts";
import { inTurn, oneOf } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";

const WAYS = ["full", "out of inodes"] as const;
/** In one way each, and not in the same, unless every test is to run. */
const PARTITIONS = [
  { partition: "oem", folder: "/oem", ways: oneOf(WAYS) },
  { partition: "persistent", folder: "/usr/local", ways: oneOf(WAYS.toReversed()) },
] as const;
/** Until the file system refuses, root's own reserve included. */
const FILL = {
  full: (folder: string) =>
    `fallocate -l 100G ${folder}/all 2>/dev/null; dd if=/dev/zero of=${folder}/all bs=1M 2>/dev/null; df ${folder}`,
  "out of inodes": (folder: string) =>
    `mkdir ${folder}/many && cd ${folder}/many && seq 20000 | xargs touch 2>/dev/null; df -i ${folder}`,
} as const;

suite("a data partition without room", { concurrency: 2, skip: inTurn(4) }, () => {
  for (const { partition, folder, ways } of oneOf(PARTITIONS)) {
    test(`${partition} ${ways.join(", then ")}: the machine is up, says so, remembers, and spends no try`, async () => {
      // By GRUB: the disk has other ids after its first boot.
      await using booted = await machine(await fixture());
      const { guest } = booted;
      await guest.ready();
      await statusOf(guest);
      for (const is of ways) {
        await guest.run(FILL[is](folder), 300_000);
        await guest.reboot();
        const status = await statusOf(guest);
        assert.deepEqual(
          status.degraded.map((found) => `${found.partition} ${found.is}`),
          [`${partition} ${is}`],
        );
        assert.equal(status.health.is, "healthy");
        assert.deepEqual(status.slots.a.tries, 6);
        assert.deepEqual(status.failedBoots, [], "the agent remembers that each boot was stopped");
        assert.equal(status.alarms.length, 1);
        await guest.check(`rm -rf ${folder}/all ${folder}/many`);
      }
    });
  }

  for (const { partition, folder } of oneOf(PARTITIONS.toReversed())) {
    test(`${partition} read-only: the machine is up and says so, until it is no more`, async () => {
      await using booted = await machine(await fixture());
      const { guest } = booted;
      await guest.ready();
      await guest.run(`mount -o remount,abort ${folder}`); // as an error of the file system would, whoever writes to it
      const status = await statusOf(guest, ({ degraded }) => degraded.some(({ is }) => is === "read-only"));
      assert.match(status.alarms.map(({ message }) => message).join("\n"), new RegExp(`the ${partition} partition is read-only`));
      await guest.reboot();
      assert.deepEqual((await statusOf(guest)).alarms, []);
    });
  }

  test("a write-protected disk: the machine is up, and says what it cannot keep", async () => {
    await using booted = await machine(await fixture(), { slot: "a", disk: { readOnly: true } });
    const { guest } = booted;
    await guest.ready();
    const status = await statusOf(guest);
    assert.deepEqual(
      status.degraded.map(({ partition }) => partition),
      ["oem", "persistent"],
    );
    const messages = status.alarms.map(({ message }) => message).join("\n");
    assert.match(messages, /what this machine remembers cannot be stored/);
    assert.match(messages, /identity cannot be stored/);
    assert.equal(status.running, "a");
  });
});
