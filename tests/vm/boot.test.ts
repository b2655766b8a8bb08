import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BOOTS, SUITES } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";
import { EPHEMERAL, PERSISTENT, REFUSED } from "./harness/promises.ts";

/** Files of users that are not as the image has them. */
const CHANGED_ACCOUNTS =
  "for file in passwd group shadow; do cmp --quiet /etc/$file /run/petrify/root/etc/$file || echo $file; done";

for (const name of SUITES) {
  suite(name, { concurrency: 2 }, () => {
    for (const { firmware, ...disk } of BOOTS) {
      const how = `${firmware.toUpperCase()}, ${disk.controller}, ${disk.sectorSize}-byte sectors`;
      test(`boots (${how}), refuses every write to the image, and keeps after a reboot what it should`, async () => {
        await using booted = await machine(await fixture({ suite: name }), { firmware, disk });
        const { guest } = booted;
        await guest.ready();
        assert.equal(await slot(guest), "a");
        assert.equal((await guest.run("test -d /sys/firmware/efi")).status === 0, firmware === "uefi");
        assert.equal(await guest.check("systemctl is-system-running --wait || systemctl --failed"), "running");
        for (const [what, script] of REFUSED) assert.notEqual((await guest.run(script)).status, 0, `${what} is refused`);

        assert.equal(await guest.check("cat /proc/sys/kernel/panic_on_oops /proc/sys/kernel/panic"), "1\n5");
        for (const folder of [...PERSISTENT, ...EPHEMERAL]) await guest.check(`echo kept >${folder}/mark`);
        assert.equal(await guest.check(CHANGED_ACCOUNTS), "");
        await guest.check("echo eve:x:4242:4242::/:/bin/sh >>/etc/passwd; echo eve:x:20000:::::: >>/etc/shadow");
        assert.equal(await guest.check(CHANGED_ACCOUNTS), "passwd\nshadow");
        const machineId = await guest.check("cat /etc/machine-id");
        assert.match(machineId, /^[0-9a-f]{32}$/);
        await guest.reboot();

        assert.equal(await slot(guest), "a");
        for (const folder of PERSISTENT) assert.equal(await guest.check(`cat ${folder}/mark`), "kept", folder);
        for (const folder of EPHEMERAL) assert.notEqual((await guest.run(`test -e ${folder}/mark`)).status, 0, folder);
        assert.equal(await guest.check("cat /etc/machine-id"), machineId);
        assert.equal(await guest.check(CHANGED_ACCOUNTS), "", "users and passwords are the image's again");
        assert.equal(await guest.check("journalctl --list-boots --quiet | wc -l"), "2", "the journal has both boots");
      });
    }
  });
}

const slot = async (guest: Guest): Promise<string> =>
  (JSON.parse(await guest.check("cat /run/petrify/boot.json")) as { slot: string }).slot;
