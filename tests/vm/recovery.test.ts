import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { HistoryEntry } from "../../src/agent/operations/service.ts";
import { MiB, type Bytes } from "../../src/core/units.ts";
import { storeCapacity } from "../../src/layout/disk.ts";
import { piecesOf } from "../../src/layout/mke2fs.ts";
import type { Patch } from "../../src/layout/patch.ts";
import type { RunFacts } from "../../src/layout/run-facts.ts";
import { otherSlot, type SlotName, type SlotState } from "../../src/layout/slots.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL, inTurn, oneOf } from "./harness/choice.ts";
import { fixture, type FixtureOptions } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";
import { placesOf, type Places } from "./harness/places.ts";

const PROGRAMS = "/usr/lib/petrify/runtime/bin";
const SYSTEMD = "/usr/lib/systemd/systemd";
/** Recovery does not wait for anybody. */
const IMPATIENT: FixtureOptions = { recovery: "{ after: [5s] }" };
const BOOT_MS = 600_000;
const EROFS_SUPERBLOCK = 1024;

/** What GRUB finds: nothing that it may boot. */
const leftAlone = (places: Places, a: SlotState, b: SlotState): ReturnType<Places["record"]> =>
  places.record((record) => ({ ...record, slots: { a: { ...record.slots.a, state: a }, b: { ...record.slots.b, state: b } } }), {
    ...{ a: 0, b: 0 },
  });

/** Of what recovery installs itself over. */
interface Loss {
  readonly why: string;
  readonly patches: (places: Places) => readonly Patch[];
  /** On the consoles, between recovery's start and what it installs. */
  readonly says: readonly (string | RegExp)[];
  readonly target: SlotName;
  readonly cause: string;
  /** What the other slot is afterwards. */
  readonly other: SlotState;
}

const inState = (places: Places, offset: Bytes, data: Uint8Array): Patch => ({
  offset: places.partition("state").start + offset,
  data,
});
const lost = (why: string): Pick<Loss, "says" | "target" | "cause" | "other"> => ({
  says: [
    `petrify: recovery: slot a: lost: ${why}; slot b: lost: ${why}`,
    `petrify: recovery: the state partition is lost (${why}): making it anew`,
    "petrify: recovery: slot a: empty; slot b: empty",
  ],
  ...{ target: "a", cause: `the state partition was lost: ${why}`, other: "empty" },
});
const LOSSES: readonly Loss[] = [
  {
    why: "the images of both are damaged",
    patches: (places) => {
      const root = places.part("a", "root").start + EROFS_SUPERBLOCK;
      const damage = [places.flip(root), places.flip(places.rootFile("b", SYSTEMD) + 64)];
      return [...damage, ...leftAlone(places, "bad", "proven")];
    },
    says: [/petrify: recovery: slot a: damaged: [^\n]*block 0[^\n]*; slot b: damaged: [^\n]*block \d+/],
    ...{ target: "b", cause: "no slot is whole", other: "bad" },
  },
  {
    why: "the superblock of the file system that they are in is gone",
    patches: (places) => [inState(places, 1024, new Uint8Array(1024))],
    ...lost("it holds no file system"),
  },
  {
    why: "the file system that they are in is garbage behind its superblock",
    patches: (places) => [inState(places, 4096, new Uint8Array(4 * MiB).fill(0x55))],
    ...lost("its file system is damaged"),
  },
];

suite("a machine that no slot boots on", { concurrency: 2 }, () => {
  for (const { why, patches, says, target, cause, other } of oneOf(LOSSES)) {
    test(`for ${why}: recovery installs itself in one, which is healthy, and the history says why`, async () => {
      const made = await fixture(IMPATIENT);
      const places = await placesOf(made, [SYSTEMD]);
      await using booted = await machine(made, { disk: { patches: patches(places) } });
      const { guest, vm } = booted;
      for (const text of [
        "recovery 1 (rule 4",
        "petrify: recovery: verifying the slots",
        ...says,
        `petrify: recovery: re-installing slot ${target} from recovery's own image: ${cause}`,
        `writing slot ${target}`,
        `slot ${target} (rule 2`,
        new RegExp(`petrify: slot ${target}: petrify-test`),
      ]) {
        await vm.waitForConsole(text, { timeoutMs: BOOT_MS });
      }
      await guest.run("true", BOOT_MS); // taken once this boot has the tests' agent
      const status = await statusOf(guest, ({ health }) => health.is === "healthy");
      const [installed, left] = [status.slots[target], status.slots[otherSlot(target)]];
      assert.deepEqual([status.running, status.role, installed.state, installed.tries], [target, "active", "proven", 6]);
      assert.deepEqual([left.state, left.tries, status.recovery], [other, 0, undefined]);
      if (other === "empty") assert.deepEqual(status.alarms, []);
      const [done] = await historyOf(guest);
      assert.deepEqual(
        [done?.kind, done?.cause, done?.outcome, done?.target, done?.from.slot, done?.image.digest],
        ["upgrade", cause, "succeeded", `slot ${target}`, "recovery", installed.digest],
      );
      assert.ok((await guest.check("petrify history")).includes(cause));
      await assertStore(guest, places.partition("state").size);
    });
  }

  for (const [what, offset] of [
    ["superblock", 1024],
    ["group descriptors", 4096],
  ] as const) {
    test(
      `for the disk does not read the ${what} of their file system: recovery waits, and writes nothing`,
      { skip: !FULL },
      async () => {
        const made = await fixture(IMPATIENT);
        const places = await placesOf(made, []);
        await using booted = await machine(made, { disk: { unreadable: [places.partition("state").start + offset] } });
        const { guest, vm } = booted;
        for (const text of [
          "recovery 1 (rule 4",
          /petrify: recovery: slot a: cannot be looked at: [^\n]*; slot b: cannot be looked at: /,
          "petrify: recovery: neither slot can be looked at, so neither is written to",
          /petrify: recovery: waits until [^\n]*attempt 2/,
        ]) {
          await vm.waitForConsole(text, { timeoutMs: BOOT_MS });
        }
        const { slots } = await statusOf(guest, ({ recovery }) => recovery !== undefined);
        assert.deepEqual([slots.a.state, slots.b.state], ["proven", "proven"]);
        assert.doesNotMatch(vm.consoleText(), /making it anew/);
      },
    );
  }

  test(
    "for they are out of tries: recovery finds a whole one, gives it its tries back, and it is healthy",
    { skip: inTurn(3) },
    async () => {
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
    },
  );
});

/** Its own judge finds no fault with it, and each file is all of its size, in written blocks. */
async function assertStore(guest: Guest, size: Bytes): Promise<void> {
  const { partitions } = JSON.parse(await guest.check("cat /run/petrify/boot.json")) as RunFacts;
  const { device } = partitions.state!;
  await guest.check(`${PROGRAMS}/e2fsck -fn ${device}`);
  for (const name of ["a.img", "b.img"]) {
    const extents = await guest.check(`${PROGRAMS}/debugfs -R "dump_extents -l /${name}" ${device}`);
    assert.ok(piecesOf(name, extents, 0, storeCapacity(size)).length > 0);
  }
}

async function historyOf(guest: Guest): Promise<readonly HistoryEntry[]> {
  const { value } = JSON.parse(await guest.check("petrify history --json")) as {
    readonly value: { readonly operations: readonly HistoryEntry[] };
  };
  return value.operations;
}
