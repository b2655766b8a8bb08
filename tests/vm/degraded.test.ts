import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { statusOf } from "./harness/agent.ts";
import { inTurn, oneOf } from "./harness/choice.ts";
import { damage } from "./harness/damage.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";

/** What programs find where a partition cannot be mounted. Of one partition here and of the other in openrc.test.ts, unless every test is to run. */
const CASES = [
  { partition: "persistent", folder: "/usr/local", failed: /petrify-fsck@persistent\.service/ },
  { partition: "oem", folder: "/oem", failed: /petrify-fsck@oem\.service/ },
] as const;

suite("a data partition that cannot be mounted", { concurrency: 2, skip: inTurn(1) }, () => {
  for (const { partition, folder, failed } of oneOf(CASES)) {
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
