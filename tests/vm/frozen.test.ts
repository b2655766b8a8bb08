import assert from "node:assert/strict";
import { test } from "node:test";
import { statusOf } from "./harness/agent.ts";
import { inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { frozenFixture } from "./harness/frozen.ts";
import { machine } from "./harness/machine.ts";
import { SWITCH_ON, UPDATE } from "./harness/trial.ts";

/** A disk beside the machine's own: names such as /dev/vdb go by which is found first. */
const IMAGE = "/dev/disk/by-id/virtio-petrify1";
const LIMIT_MS = 400_000;

test("a machine of format 1 upgrades to this image, falls back to its own, and upgrades again", { skip: inTurn(2) }, async () => {
  const old = await frozenFixture(1);
  const { slotB: image } = await fixture(UPDATE);
  await using booted = await machine(old, { beside: [{ path: image }] });
  const { guest, vm } = booted;
  await guest.ready();
  const before = await statusOf(guest);
  await guest.check("echo kept >/home/mark; echo kept >/oem/mark");
  await guest.check(`systemd-run --quiet petrify upgrade ${IMAGE}`);

  // Its own loader starts what this version built; it gets no further than the initrd, three times.
  for (let count = 0; count < 3; count++) {
    await vm.waitForConsole(/petrify: slot b: petrify-test[^\n]*\n/, { timeoutMs: LIMIT_MS });
    await vm.qmp.execute("system_reset");
  }
  await guest.ready(LIMIT_MS);
  const back = await statusOf(guest, ({ health, operation }) => health.is === "healthy" && operation === undefined, LIMIT_MS);
  assert.deepEqual([back.running, back.slots.a.tries, back.slots.b.tries], ["a", 6, 0]);
  assert.match(await guest.check("petrify history"), /upgrade to petrify-test [^\n]*: fell back/);

  await guest.check(`systemd-run --quiet petrify upgrade ${IMAGE}`);
  await guest.ready(LIMIT_MS);
  await guest.check(SWITCH_ON);
  const upgraded = await statusOf(guest, ({ slots, operation }) => slots.b.state === "proven" && !operation, LIMIT_MS);
  assert.deepEqual([upgraded.running, upgraded.machine.id, upgraded.slots.a.state], ["b", before.machine.id, "proven"]);
  assert.equal(await guest.check("cat /home/mark /oem/mark"), "kept\nkept");
  assert.match(await guest.check("petrify history"), /: succeeded[^]*: fell back/, "what the old agent stored is known");

  await guest.check("systemd-run --quiet petrify rollback");
  await guest.ready(LIMIT_MS);
  const again = await statusOf(guest, ({ health, operation }) => health.is === "healthy" && !operation, LIMIT_MS);
  assert.deepEqual([again.running, again.machine.id], ["a", before.machine.id]);
  assert.match(await guest.check("petrify history"), /rollback: succeeded/);
});
