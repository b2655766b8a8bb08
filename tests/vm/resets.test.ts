import assert from "node:assert/strict";
import { test } from "node:test";
import { statusOf } from "./harness/agent.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";

const RESETS = 5;

test("five resets early in the boot of a proven slot: the sixth boot is the same slot's, with all its tries, and tells of them", async () => {
  await using booted = await machine(await fixture());
  const { guest, vm } = booted;
  for (let reset = 0; reset < RESETS; reset++) {
    await vm.waitForConsole(/petrify: slot [ab]: petrify-test/, { timeoutMs: 300_000 });
    await vm.waitForConsole("Welcome to"); // the image's init: long before the agent
    await vm.qmp.execute("system_reset");
  }
  await guest.ready();
  const status = await statusOf(
    guest,
    // So many ends are suspicious: the slot has its tries back once it has been verified.
    ({ health, failedBoots, slots }) =>
      health.is === "healthy" && failedBoots[0]?.end?.log !== undefined && slots.a.scrub !== undefined && slots.a.tries === 6,
  );
  assert.equal(vm.consoleText().match(/petrify: slot a: petrify-test/g)?.length, RESETS + 1);
  assert.deepEqual([status.running, status.state, status.slots.a.tries], ["a", "proven", 6]);
  assert.equal(status.slots.a.scrub?.damage, undefined);
  assert.deepEqual(
    status.failedBoots.map(({ slot, end }) => `${slot} ${end?.how}`),
    Array<string>(RESETS).fill("a unseen"),
  );
  assert.match(await guest.check("petrify status"), /^failed +slot a, \d+ (s|min) ago: it ended before its agent had started$/m);
});
