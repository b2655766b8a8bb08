import assert from "node:assert/strict";
import { test } from "node:test";
import { statusOf } from "./harness/agent.ts";
import { encodeTries } from "../../src/layout/tries.ts";
import { FULL, inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { placesOf } from "./harness/places.ts";

/** Nothing reads it but a timer of the image, some time after the boot (petrify-test-late.service). */
const FILE = "/usr/bin/factor";
const BOOT_MS = 240_000;
/** Three unexpected ends make a slot suspicious. To save time two are over before the test, unless every test is to run. */
const BEFORE = FULL ? 0 : 2;

test(
  "a flipped bit that a boot meets only after its end: the damage is found, and the other slot runs by itself",
  { skip: inTurn(2) },
  async () => {
    const made = await fixture();
    const places = await placesOf(made, [FILE]);
    const tries = { offset: places.tries(), data: encodeTries({ a: 6 - BEFORE, b: 6 }) };
    await using booted = await machine(made, { disk: { patches: [places.flip(places.rootFile("a", FILE) + 64), tries] } });
    const { guest, vm } = booted;
    await guest.ready();
    await guest.check("touch /usr/local/read-late && sync && systemctl start petrify-test-late.timer");
    await vm.waitForConsole(/device-mapper: verity: [^\n]*: data block \d+ is corrupted/, { timeoutMs: BOOT_MS });
    await vm.waitForConsole(/petrify: slot b: petrify-test/, { timeoutMs: 10 * BOOT_MS });
    await guest.run("true", BOOT_MS); // taken once this boot has the tests' agent

    const status = await statusOf(guest, ({ health }) => health.is === "healthy");
    const [damaged, ...ended] = status.failedBoots;
    const restarts = ended.filter(({ end }) => end?.how !== "unseen");
    assert.deepEqual([status.running, status.role, status.slots.a.state, status.slots.a.tries], ["b", "active", "bad", 0]);
    assert.match(status.slots.a.scrub?.damage ?? "", /block \d+/);
    assert.match(status.alarms.map(({ message }) => message).join("\n"), /the image in slot a is damaged: [^\n]*block \d+/);
    assert.deepEqual([damaged?.end?.how, damaged?.end?.reason], ["damaged", status.slots.a.scrub?.damage]);
    assert.ok(restarts.length >= 3 - BEFORE && restarts.length <= 8 - BEFORE, `${restarts.length} restarts`);
    assert.ok(restarts.every(({ slot, end }) => slot === "a" && end?.how === "unexpected"));
  },
);
