import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { statusOf } from "./harness/agent.ts";
import { FULL } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { EPHEMERAL, PERSISTENT, REFUSED } from "./harness/promises.ts";

suite("an image of no suite", { skip: !FULL && "only in full runs" }, () => {
  test("busybox and OpenRC in a tree with a /lib of its own, with Debian's kernel: healthy, read-only, and keeps what it should", async () => {
    const made = await fixture({ base: "busybox", init: "openrc" });
    await using booted = await machine(made);
    const { guest } = booted;
    await guest.ready();
    const first = await statusOf(guest);
    assert.deepEqual([first.health.is, first.alarms, first.degraded], ["healthy", [], []]);
    assert.equal(await guest.check("readlink /proc/1/exe"), "/bin/busybox");
    assert.equal(await guest.check("test -L /lib || echo folder"), "folder");
    assert.match(await guest.check("cat /etc/os-release"), /^NAME="petrify-test"\n.*IMAGE_ID=petrify-test$/ms);
    await guest.check("modprobe tun && grep -q '^tun ' /proc/modules");
    for (const [what, script] of REFUSED) assert.notEqual((await guest.run(script)).status, 0, `${what} is refused`);
    for (const folder of [...PERSISTENT, ...EPHEMERAL]) await guest.check(`echo kept >${folder}/mark`);
    const machineId = await guest.check("cat /etc/machine-id");
    assert.match(machineId, /^[0-9a-f]{32}$/);

    await guest.reboot();
    assert.equal((await statusOf(guest)).health.is, "healthy");
    const console = booted.vm.consoleText();
    const second = console.slice(console.lastIndexOf("petrify: slot a"));
    assert.match(second, /COS_PERSISTENT: clean/);
    assert.doesNotMatch(second, /recovering journal/, "data was unmounted before the restart");
    for (const folder of PERSISTENT) assert.equal(await guest.check(`cat ${folder}/mark`), "kept", folder);
    for (const folder of EPHEMERAL) assert.notEqual((await guest.run(`test -e ${folder}/mark`)).status, 0, folder);
    assert.equal(await guest.check("cat /etc/machine-id"), machineId);
    await assert.rejects(guest.run("poweroff; sleep 1000"), /the VM ended \(guest-shutdown\)/);
  });
});
