import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { HistoryEntry } from "../../src/agent/operations/service.ts";
import { MiB } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import { run } from "../../src/host/run.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import type { RunFacts } from "../../src/layout/run-facts.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL } from "./harness/choice.ts";
import { fixture, type FixtureOptions } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine, type Machine } from "./harness/machine.ts";

const BOOT_MS = 600_000;
const OEM = "/oem/machine.yaml";
const KEYS = "/oem/petrify/etc/ssh/key";
const DATA = ["/usr/local/mine", "/home/somebody/mine"];

interface Reset {
  readonly why: string;
  readonly words: string;
  /** From recovery, not from a slot. */
  readonly recovery?: boolean;
  /** Lines of the consoles at which the machine is reset hard. */
  readonly cuts?: readonly string[];
  /** Files that are there afterwards. */
  readonly left: readonly string[];
  readonly isNew: boolean;
  readonly fixture?: FixtureOptions;
}

const RESETS: readonly Reset[] = [
  {
    why: "of everything, cut while a slot is written",
    words: "--yes",
    cuts: ["petrify: reset: writing slot b"],
    ...{ left: [], isNew: true },
  },
  {
    why: "that keeps the data, from recovery, cut twice",
    words: "--yes --keep data",
    recovery: true,
    cuts: ["petrify: reset: making the oem partition anew", "petrify: reset: verifying slot a"],
    ...{ left: DATA, isNew: true },
  },
  { why: "that keeps config and identity", words: "--yes --keep config identity", left: [OEM, KEYS], isNew: false },
  { why: "of everything, overwritten", words: "--yes --erase", left: [], isNew: true },
  { why: "of everything, with OpenRC", words: "--yes", left: [], isNew: true, fixture: { init: "openrc" } },
];

suite("a machine that is reset", { concurrency: 2 }, () => {
  for (const { why, words, recovery, cuts = [], left, isNew, fixture: options } of FULL ? RESETS : RESETS.slice(0, 1)) {
    test(`${why}: both slots are whole, what was to go is gone, and it is healthy`, async () => {
      const made = await fixture(options);
      await using booted = await machine(made);
      const { guest, vm } = booted;
      await guest.ready();
      await statusOf(guest);
      await guest.check(
        `mkdir -p /home/somebody /oem/petrify/etc/ssh && for file in ${[OEM, KEYS, ...DATA].join(" ")}; do echo x >$file; done`,
      );
      const before = await identityOf(guest);
      const plan = await guest.check("petrify reset --dry-run");
      assert.match(plan, /^ +\/home\/somebody$/m);
      assert.match(plan, /^wipes +data: the persistent partition, [\d.]+ MiB used/m);
      assert.match((await guest.run("petrify reset")).output, /this wipes the machine, and there is nobody to ask/);
      if (recovery) await intoRecovery(booted);

      // It may not get to its answer before the machine restarts.
      void guest.run(`petrify reset ${words}`).catch(() => {});
      for (const cut of cuts) {
        await vm.waitForConsole(cut, { timeoutMs: BOOT_MS });
        await vm.qmp.execute("system_reset");
      }
      for (const text of ["petrify: reset: leaving recovery", "slot a (rule 2", /petrify: slot a: petrify-test/]) {
        await vm.waitForConsole(text, { timeoutMs: BOOT_MS });
      }
      await guest.run("petrify status", BOOT_MS); // taken once this boot has the tests' agent; then its own may take a while
      const status = await statusOf(guest, ({ health }) => health.is === "healthy");
      assert.deepEqual([status.running, status.state, status.slots.a.tries], ["a", "proven", 6]);
      assert.deepEqual([status.slots.b.state, status.slots.b.tries], ["trial", 3]);
      assert.equal(status.slots.b.digest, status.slots.a.digest);
      assert.deepEqual([status.alarms, status.failedBoots, status.degraded], [[], [], []]);
      if (FULL) assert.equal((await guest.run("petrify scrub b", BOOT_MS)).status, 0);

      const files = await guest.run(`for file in ${[OEM, KEYS, ...DATA].join(" ")}; do test -e $file && echo $file; done`);
      assert.deepEqual(files.output.split("\n").filter(Boolean), left);
      const after = await identityOf(guest);
      assert.equal(after.machineId !== before.machineId, isNew);
      assert.equal(
        after.guids.every((guid) => !before.guids.includes(guid)),
        isNew,
      );
      const [entry, ...older] = await historyOf(guest);
      assert.deepEqual([entry?.kind, entry?.outcome, entry?.cause, older], ["reset", "succeeded", "asked for by root", []]);
      assert.equal(entry?.from.slot, recovery ? "recovery" : "a");
      assert.match(await guest.check("df -T /usr/local /oem"), /ext4[^]*ext4/);
    });
  }
});

test(
  "a machine that is wiped does not boot any more, and nothing of its own is left on its disk, also when it is cut on the way",
  { skip: !FULL },
  async () => {
    const made = await fixture();
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-wiped-"));
    const disk = join(folder.path, "disk.raw");
    await run(["cp", "--sparse=always", made.disk, disk]);
    await using booted = await machine({ ...made, disk }, { disk: { writes: "keep" } });
    const { guest, vm } = booted;
    await guest.ready();
    const own = (JSON.parse(await guest.check("cat /run/petrify/boot.json")) as RunFacts).disk!;
    assert.match(await guest.check(`petrify wipe ${own} --dry-run`), /which this machine runs from/);
    void guest.run(`petrify wipe ${own} --yes`).catch(() => {});
    await vm.waitForConsole("petrify: reset: overwriting the state partition", { timeoutMs: BOOT_MS });
    await vm.qmp.execute("system_reset");
    await vm.waitForConsole("petrify: reset: overwriting the rest of the disk, and powering off", { timeoutMs: BOOT_MS });
    // Should something read what is gone, dm-verity restarts it before: into nothing, with some of the images' bytes left.
    await vm.waitForConsole(/reboot: (machine restart|Power down)/, { timeoutMs: BOOT_MS });
    using file = openImage(disk);
    using before = openImage(made.disk);
    const recovery = decodeGpt((at, length) => before.read(at, length), before.size, 512).partitions.find(
      ({ name }) => name === "recovery",
    )!;
    for (let at = 0; at < file.size; at += MiB) {
      if (at >= recovery.start && at < recovery.start + recovery.size) continue;
      const bytes = file.read(at, Math.min(MiB, file.size - at));
      assert.ok(Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0, `something is left from byte ${at} on`);
    }
  },
);
const ZEROS = new Uint8Array(MiB);

async function intoRecovery({ guest, vm }: Machine): Promise<void> {
  void guest.run("petrify reboot --into recovery").catch(() => {});
  await vm.waitForConsole(/petrify: recovery: petrify-test/, { timeoutMs: BOOT_MS });
  await guest.run("petrify status", BOOT_MS);
}

async function identityOf(guest: Guest): Promise<{ readonly machineId: string; readonly guids: readonly string[] }> {
  const { partitions } = JSON.parse(await guest.check("cat /run/petrify/boot.json")) as RunFacts;
  return { machineId: await guest.check("cat /etc/machine-id"), guids: Object.values(partitions).map(({ guid }) => guid) };
}

async function historyOf(guest: Guest): Promise<readonly HistoryEntry[]> {
  const { value } = JSON.parse(await guest.check("petrify history --json")) as {
    readonly value: { readonly operations: readonly HistoryEntry[] };
  };
  return value.operations;
}
