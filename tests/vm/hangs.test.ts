import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Vm } from "../../src/vm/vm.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL, inTurn, oneOf } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine, type Machine } from "./harness/machine.ts";
import { placesOf } from "./harness/places.ts";
import { WAITING, onTrial } from "./harness/trial.ts";

interface Hang {
  readonly where: string;
  readonly hang: (machine: Machine) => Promise<void>;
  /** Makes what made it hang good again, once the machine has been reset. */
  readonly after?: (vm: Vm) => Promise<void>;
  /** How that boot ended, and what its log has. */
  readonly how: string;
  readonly log: RegExp;
}

/** Of the initrd two minutes, of systemd one; and a busy host. */
const RESET_MS = 300_000;

const HANGS: readonly Hang[] = [
  {
    where: "in the initrd, whose disk does not answer",
    hang: async ({ vm }) => {
      await vm.waitForConsole("Linux version");
      await throttle(vm, 1);
    },
    after: async (vm) => await throttle(vm, 0),
    how: "unseen",
    log: /^no log: /,
  },
  {
    where: "in a kernel that does not restart after a panic",
    hang: async ({ guest }) => {
      await journalKept(guest);
      void guest
        .run("echo 0 >/proc/sys/kernel/panic; echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger")
        .catch(() => {});
    },
    how: "unexpected",
    log: /Reached target multi-user\.target/,
  },
  {
    where: "in a systemd that has crashed",
    hang: async ({ guest }) => {
      await journalKept(guest);
      await guest.check("kill -SEGV 1"); // it stops for good, and everything else goes on
    },
    how: "unexpected",
    log: /Reached target multi-user\.target/,
  },
];

suite("an update that hangs is left for the slot before it", { concurrency: 2, skip: inTurn(4) }, () => {
  for (const { where, hang, after, how, log } of oneOf(HANGS)) {
    test(where, async () => {
      const made = await fixture(WAITING);
      await using booted = await machine(made, { disk: { patches: onTrial(await placesOf(made, []), 1) } });
      const { guest, vm } = booted;
      const { promise: reset, resolve, reject } = Promise.withResolvers<void>();
      vm.onEvent(({ event }) => {
        if (event === "WATCHDOG") resolve();
      });
      await vm.waitForConsole(/petrify: slot b \(rule 2/, { timeoutMs: 120_000 });
      await hang(booted);
      const late = setTimeout(() => reject(new Error("no watchdog has reset the machine")), RESET_MS);
      await reset;
      clearTimeout(late);
      await after?.(vm);
      await vm.waitForConsole(/petrify: slot a: petrify-test/, { timeoutMs: 120_000 });
      await guest.run("true", 240_000); // taken once this boot has the tests' agent
      const status = await statusOf(guest, ({ failedBoots }) => failedBoots[0]?.end?.log !== undefined);
      assert.deepEqual([status.running, status.slots.b.state, status.slots.b.tries], ["a", "trial", 0]);
      const [failed] = status.failedBoots;
      assert.deepEqual([failed?.slot, failed?.end?.how], ["b", how]);
      assert.match(failed!.end!.log!.text, log);
    });
  }
});

/** It takes as long as a boot is to have; only full runs wait for that. */
test("an update whose agent is gone is left for the slot before it", { skip: inTurn(4) }, async () => {
  const made = await fixture(WAITING);
  const onDisk = onTrial(await placesOf(made, []), 1);
  await using booted = await machine(made, { disk: { patches: onDisk } });
  const { guest, vm } = booted;
  await vm.waitForConsole(/petrify: slot b \(rule 2/, { timeoutMs: 120_000 });
  await guest.ready();
  await guest.check("systemctl mask --runtime petrifyd.service");
  await guest.check("systemctl kill --signal=KILL petrifyd.service");
  assert.equal(await guest.check("systemctl is-active petrify-unjudged.timer"), "active");
  await guest.check("systemctl start petrify-unjudged.service");
  await guest.check("sleep 40"); // what it looks at is there: else it would have ended, or failed
  assert.equal(await guest.check("systemctl is-active petrify-unjudged.service"), "active");
  if (!FULL) return;
  await vm.waitForConsole(/slot b is not healthy, and restarts: nobody has judged it 20 min after the kernel's start/, {
    timeoutMs: 2_400_000,
  });
  await vm.waitForConsole(/petrify: slot a: petrify-test/, { timeoutMs: 240_000 });
  await guest.ready();
  const status = await statusOf(guest, ({ failedBoots }) => failedBoots[0]?.end?.log !== undefined);
  assert.deepEqual([status.running, status.slots.b.state, status.slots.b.tries], ["a", "trial", 0]);
  assert.match(status.failedBoots[0]!.end!.log!.text, /nobody has judged it/);
});

/** The end of the boot is in the journal, and the journal on the disk: it is written every ten seconds. */
async function journalKept(guest: Guest): Promise<void> {
  await guest.ready();
  const { boot } = await statusOf(guest, ({ health }) => health.checks.some(({ name, ok }) => name === "boot" && ok));
  await statusOf(guest, ({ boot: { uptime } }) => uptime >= boot.uptime + 15);
}

/** @param rate of the disk, in bytes a second; 0: as fast as it is */
async function throttle({ qmp }: Vm, rate: number): Promise<void> {
  const blocks = (await qmp.execute("query-block")) as { readonly qdev?: string; readonly inserted?: { "node-name"?: string } }[];
  const disk = blocks.find(({ inserted }) => inserted?.["node-name"] === "disk0")!;
  const none = { bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 };
  await qmp.execute("block_set_io_throttle", { id: disk.qdev, bps: rate, ...none });
}
