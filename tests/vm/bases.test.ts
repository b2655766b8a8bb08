import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { statusOf } from "./harness/agent.ts";
import { LAYERED } from "./harness/base.ts";
import { inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { REFUSED } from "./harness/promises.ts";

/** What the same Debian boots as, whatever brought it. */
suite("a base that is no suite boots, is healthy and immutable:", { concurrency: 2, skip: inTurn(0) }, () => {
  for (const { base, init } of [
    { base: "rootfs", init: "openrc" },
    { base: "oci", init: "systemd" },
    { base: "dockerfile", init: "systemd" },
  ] as const) {
    test(`${base}, with ${init}`, async () => {
      const packages = init === "openrc" ? ["openssh-server", "util-linux-extra"] : [];
      await using booted = await machine(await fixture({ base, init, packages }), { slot: "a" });
      const { guest } = booted;
      await guest.ready();
      const { health, degraded, alarms, slots } = await statusOf(guest);
      assert.deepEqual([health.is, degraded, alarms, slots.a.state], ["healthy", [], [], "proven"]);
      for (const [what, script] of REFUSED) assert.notEqual((await guest.run(script)).status, 0, `${what} is refused`);
      assert.match(await guest.check("cat /etc/os-release"), /^ID=debian$[^]*^IMAGE_ID=petrify-test$/m);
      if (base === "rootfs") return;
      assert.equal(await guest.check("systemctl is-system-running --wait || systemctl --failed"), "running");
      assert.equal(await guest.check(`stat --format=%u:%g ${LAYERED.added}`), "70000:70000");
      assert.notEqual((await guest.run(`test -e ${LAYERED.hidden}`)).status, 0, "the upper layer hides it");
    });
  }
});
