import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeTries } from "../../src/layout/tries.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL, inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { placesOf } from "./harness/places.ts";

const TRIES = 6;
/** Down to the last try. To save time some are gone before the test, unless every test is to run. */
const RESETS = FULL ? TRIES - 1 : 2;

test(
  "resets early in the boot of a proven slot, down to its last try: the next boot is the same slot's, with all its tries, and tells of them",
  { skip: inTurn(2) },
  async () => {
    const made = await fixture();
    const places = await placesOf(made, []);
    const tries = { offset: places.tries(), data: encodeTries({ a: RESETS + 1, b: TRIES }) };
    await using booted = await machine(made, { disk: { patches: [tries] } });
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
        health.is === "healthy" &&
        failedBoots[0]?.end?.log !== undefined &&
        slots.a.scrub !== undefined &&
        slots.a.tries === TRIES,
    );
    assert.equal(vm.consoleText().match(/petrify: slot a: petrify-test/g)?.length, RESETS + 1);
    assert.deepEqual([status.running, status.state, status.slots.a.tries], ["a", "proven", TRIES]);
    assert.equal(status.slots.a.scrub?.damage, undefined);
    assert.deepEqual(
      status.failedBoots.map(({ slot, end }) => `${slot} ${end?.how}`),
      Array<string>(TRIES - 1).fill("a unseen"),
    );
    assert.match(
      await guest.check("petrify status"),
      /^failed +slot a, \d+ (s|min) ago: it ended before its agent had started$/m,
    );
  },
);
