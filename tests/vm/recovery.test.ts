import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { HistoryEntry } from "../../src/agent/operations/service.ts";
import type { SlotState } from "../../src/layout/slots.ts";
import { statusOf } from "./harness/agent.ts";
import { fixture, type FixtureOptions } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";
import { placesOf, type Places } from "./harness/places.ts";

const SYSTEMD = "/usr/lib/systemd/systemd";
/** Recovery does not wait for anybody. */
const IMPATIENT: FixtureOptions = { recovery: "{ after: [5s] }" };
const BOOT_MS = 300_000;
const EROFS_SUPERBLOCK = 1024;

/** What GRUB finds: nothing that it may boot. */
const leftAlone = (places: Places, a: SlotState, b: SlotState): ReturnType<Places["record"]> =>
  places.record((record) => ({ ...record, slots: { a: { ...record.slots.a, state: a }, b: { ...record.slots.b, state: b } } }), {
    ...{ a: 0, b: 0 },
  });

suite("a machine that no slot boots on", { concurrency: 2 }, () => {
  test("for the images of both are damaged: recovery installs itself in one, which is healthy, and the history says why", async () => {
    const made = await fixture(IMPATIENT);
    const places = await placesOf(made, [SYSTEMD]);
    const root = places.part("a", "root").start + EROFS_SUPERBLOCK;
    const damage = [places.flip(root), places.flip(places.rootFile("b", SYSTEMD) + 64)];
    await using booted = await machine(made, { disk: { patches: [...damage, ...leftAlone(places, "bad", "proven")] } });
    const { guest, vm } = booted;
    for (const text of [
      "recovery 1 (rule 4",
      "petrify: recovery: verifying the slots",
      /petrify: recovery: slot a: damaged: [^\n]*block 0[^\n]*; slot b: damaged: [^\n]*block \d+/,
      "petrify: recovery: re-installing slot b from recovery's own image: no slot is whole",
      "writing slot b",
      "slot b (rule 2",
      /petrify: slot b: petrify-test/,
    ]) {
      await vm.waitForConsole(text, { timeoutMs: BOOT_MS });
    }
    await guest.run("true", BOOT_MS); // taken once this boot has the tests' agent
    const status = await statusOf(guest, ({ health }) => health.is === "healthy");
    const { a, b } = status.slots;
    assert.deepEqual([status.running, status.role, b.state, b.tries], ["b", "active", "proven", 6]);
    assert.deepEqual([a.state, a.tries, status.recovery], ["bad", 0, undefined]);
    const [done] = await historyOf(guest);
    assert.deepEqual(
      [done?.kind, done?.cause, done?.outcome, done?.target, done?.from.slot, done?.image.digest],
      ["upgrade", "no slot is whole", "succeeded", "slot b", "recovery", b.digest],
    );
    assert.match(await guest.check("petrify history"), /cause +no slot is whole/);
  });

  test("for they are out of tries: recovery finds a whole one, gives it its tries back, and it is healthy", async () => {
    const made = await fixture(IMPATIENT);
    const places = await placesOf(made, []);
    await using booted = await machine(made, { disk: { patches: leftAlone(places, "bad", "trial") } });
    const { guest, vm } = booted;
    for (const text of [
      "recovery 1 (rule 4",
      "petrify: recovery: slot a: whole; slot b: whole",
      "petrify: recovery: slot a is whole: it has its tries again, and boots",
      "slot a (rule 2",
      /petrify: slot a: petrify-test/,
    ]) {
      await vm.waitForConsole(text, { timeoutMs: BOOT_MS });
    }
    await guest.run("true", BOOT_MS);
    const status = await statusOf(guest, ({ health }) => health.is === "healthy");
    assert.deepEqual([status.running, status.role, status.state, status.slots.a.tries], ["a", "active", "proven", 6]);
    assert.deepEqual([status.slots.b.state, status.slots.b.tries], ["trial", 0]);
    assert.deepEqual(await historyOf(guest), [], "nothing was written");
  });
});

async function historyOf(guest: Guest): Promise<readonly HistoryEntry[]> {
  const { value } = JSON.parse(await guest.check("petrify history --json")) as {
    readonly value: { readonly operations: readonly HistoryEntry[] };
  };
  return value.operations;
}
