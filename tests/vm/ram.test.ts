import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { MiB } from "../../src/core/units.ts";
import { fileSize } from "../../src/host/files.ts";
import type { RunFacts } from "../../src/layout/run-facts.ts";
import { statusOf } from "./harness/agent.ts";
import { inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine, SAYS } from "./harness/machine.ts";

suite("a boot from memory", { concurrency: 2 }, () => {
  test("needs no disk and the memory that is said, is as immutable, and keeps nothing", async () => {
    const made = await fixture();
    await using booted = await machine(made, { ram: true });
    const { guest } = booted;
    await guest.ready();
    assert.equal(await guest.check("systemctl is-system-running --wait || systemctl --failed"), "running");
    const status = await statusOf(guest);
    assert.deepEqual([status.running, status.health.is, status.alarms], ["ram", "healthy", []]);
    const facts = JSON.parse(await guest.check("cat /run/petrify/boot.json")) as RunFacts;
    assert.equal(facts.slot, "ram");
    assert.deepEqual(facts.notes, []);
    assert.match(await guest.check("grep ' / ' /proc/self/mounts"), /^\/dev\/dm-0 \/ erofs ro,/m);
    for (const script of ["touch /mark", "touch /usr/mark", "mount -o remount,rw /"]) {
      assert.notEqual((await guest.run(script)).status, 0, script);
    }
    for (const folder of ["/etc", "/usr/local", "/home", "/var/log", "/tmp"]) await guest.check(`echo x >${folder}/mark`);
    const first = await guest.check("cat /etc/machine-id");
    assert.match(first, /^[0-9a-f]{32}$/);
    await guest.reboot();
    for (const folder of ["/etc", "/usr/local", "/home", "/var/log", "/tmp"]) {
      assert.notEqual((await guest.run(`test -e ${folder}/mark`)).status, 0, folder);
    }
    assert.notEqual(await guest.check("cat /etc/machine-id"), first);
  });

  test("with too little memory says so, with both numbers, before it fails", { skip: inTurn(4) }, async () => {
    const made = await fixture();
    await using booted = await machine(made, {
      ram: true,
      memory: Math.floor((2 * (await fileSize(made.image))) / MiB) * MiB,
      endOnReboot: true,
    });
    const { vm } = booted;
    await vm.exited;
    const said = vm.consoleText().match(SAYS) ?? [];
    assert.match(
      said.join("\n"),
      /memory does not start: only \S+ MiB of the image's \S+ MiB found room in \S+ [MG]iB of memory\. Give the machine \S+ [MG]iB\./,
    );
  });
});
