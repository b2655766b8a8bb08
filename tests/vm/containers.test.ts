/** A service of the machine config whose program comes from a container image. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GiB } from "../../src/core/units.ts";
import { statusOf } from "./harness/agent.ts";
import { APP_CONTAINER, APP_IMAGE } from "./harness/app.ts";
import { FULL } from "./harness/choice.ts";
import { configOf } from "./harness/config.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";

const LIMIT_MS = 600_000;
const LESS = "#cloud-config\nhostname: node-1\n";
const CONFIG = `${LESS}
write_files:
${APP_IMAGE}
${APP_CONTAINER}
`;

test(
  "a container runs as a service, again after a reboot, with its image kept, and is gone with its section",
  {
    skip: FULL ? false : "only in full runs",
  },
  async () => {
    const made = await fixture({ packages: ["podman", "crun", "netavark"] });
    await using booted = await machine(made, { disk: { patches: await onOem(made, "machine.yaml", CONFIG) }, memory: GiB });
    const { guest } = booted;
    await guest.ready(LIMIT_MS);
    const runs = async (times: number): Promise<void> => {
      const { status } = await guest.run(`until [ "$(cat /srv/app/ran | wc -l)" = ${times} ]; do sleep 1; done`, LIMIT_MS);
      const { output: log } = await guest.run(
        "systemctl status --no-pager --full app.service; journalctl -b -u app.service; podman info",
      );
      assert.equal(status, 0, log);
      assert.equal(await guest.check("systemctl is-active app.service; podman ps --format='{{.Names}}'"), "active\napp", log);
      assert.match(log, /graphDriverName: overlay/);
    };
    await runs(1);
    assert.deepEqual((await statusOf(guest)).config?.notes, []);
    await guest.reboot();
    await runs(2);

    const less = await configOf(guest, "apply -", LESS);
    assert.deepEqual([less.changed, less.problems], [true, []]);
    assert.notEqual((await guest.run("systemctl is-active app.service")).status, 0);
    assert.equal(
      await guest.check("podman ps --all --format='{{.Names}}'; systemctl list-units --all --plain --no-legend app.service"),
      "",
    );
    assert.equal(await guest.check("cat /srv/app/ran"), "ran\nran");
  },
);
