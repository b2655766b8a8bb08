import assert from "node:assert/strict";
import { mkdtempDisposable, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { HistoryEntry, UpgradePlan } from "../../src/agent/operations/service.ts";
import type { AgentStatus } from "../../src/agent/status.ts";
import { assembleSystemImage } from "../../src/build/system-image.ts";
import { GiB, MiB, type Bytes } from "../../src/core/units.ts";
import type { Tools } from "../../src/host/tools.ts";
import { openImage } from "../../src/host/image-file.ts";
import type { Patch } from "../../src/layout/patch.ts";
import type { SlotName } from "../../src/layout/slots.ts";
import { statusOf } from "./harness/agent.ts";
import { configOf } from "./harness/config.ts";
import { inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";
import { placesOf } from "./harness/places.ts";
import { SWITCH_ON, UPDATE, withEmptyB } from "./harness/trial.ts";

const LIMIT_MS = 400_000;
/** Disks beside the machine's own: names such as /dev/vdb go by which is found first. */
const BESIDE = (number: number): string => `/dev/disk/by-id/virtio-petrify${number}`;
/** Where the new image is. */
const IMAGE = BESIDE(1);
const CONFIG = `#cloud-config
hostname: node-1
write_files: [{ path: /etc/app/name, content: "node-1\\n" }]
stages:
  before-upgrade: [{ name: told, commands: ["echo $PETRIFY_STAGE >>/var/lib/test/stages"] }]
  after-upgrade: [{ name: told, commands: ["echo $PETRIFY_STAGE >>/var/lib/test/stages"] }]
`;
/** A file of it, and the stages that have run. */
const CONFIGURED = "cat /etc/app/name /var/lib/test/stages";
const KILL = "kill -9 $(systemctl show petrifyd --property=MainPID --value)";

suite("an upgrade", { concurrency: 2 }, () => {
  test("with a full oem, a clock at 1970 and an agent that is killed at each step is proven, with the machine's config; rolled back, the slot has the config that it had", async () => {
    const made = await fixture(UPDATE);
    const patches = [...withEmptyB(await placesOf(made, [])), ...(await onOem(made, "machine.yaml", CONFIG))];
    await using booted = await machine(made, {
      disk: { patches },
      beside: [{ path: made.slotB }],
      extra: ["-rtc", "base=1970-01-01T00:00:00"],
    });
    const { guest, vm } = booted;
    await guest.ready();
    const first = await statusOf(guest);
    assert.deepEqual([first.health.is, first.slots.b.state, first.machine.hostname], ["healthy", "empty", "node-1"]);
    await guest.run("dd if=/dev/zero of=/oem/all bs=1M", LIMIT_MS);

    const plan = await json<UpgradePlan & { stale: string[] }>(guest, `petrify upgrade ${IMAGE} --plan --json`);
    assert.deepEqual([plan.target, plan.running.slot, plan.image.trust, plan.changed], ["slot b", "a", "unsigned", false]);
    assert.equal((await statusOf(guest)).slots.b.digest, undefined, "a plan changes nothing");

    await guest.check(`systemd-run --quiet petrify upgrade ${IMAGE} --stage`);
    const steps = await killedAtEachStep(guest);
    assert.deepEqual(steps, ["checking", "writing", "verifying", "flipped"]);
    const staged = await statusOf(guest, ({ operation, slots }) => operation?.at === "flipped" && slots.b.tries === 3);
    assert.deepEqual(
      [staged.running, staged.slots.a.state, staged.slots.b],
      ["a", "proven", { role: "active", state: "trial", tries: 3, digest: plan.image.image.digest }],
    );
    assert.deepEqual(await json(guest, `petrify upgrade ${IMAGE} --stage --json`), { changed: false, code: "ALREADY_STAGED" });

    await restarted(guest, "petrify reboot", "b");
    assert.match(vm.consoleText(), /petrify: slot b \(rule 2: active\)/);
    await guest.check(SWITCH_ON);
    // The slot is proven before the operation that brought its image ends.
    const proven = await statusOf(guest, ({ slots, operation }) => slots.b.state === "proven" && !operation, LIMIT_MS);
    assert.deepEqual([proven.slots.b.tries, proven.slots.a.state], [6, "proven"]);
    const [done] = await history(guest);
    assert.deepEqual(
      [done!.kind, done!.outcome, done!.target, done!.image.digest],
      ["upgrade", "succeeded", "slot b", plan.image.image.digest],
    );
    assert.deepEqual(await json(guest, `petrify upgrade ${IMAGE} --json`), { changed: false, code: "ALREADY_RUNNING" });
    assert.equal(await guest.check(CONFIGURED), "node-1\nbefore-upgrade\nafter-upgrade");
    await guest.check("rm /oem/all");
    const applied = await configOf(guest, "apply -", CONFIG.replace("node-1", "node-2"));
    assert.deepEqual([applied.changed, applied.problems], [true, []]);

    await restarted(guest, "petrify rollback", "a");
    const back = await statusOf(guest, ({ health, operation }) => health.is === "healthy" && operation === undefined);
    assert.deepEqual([back.slots.a.role, back.slots.b.state, back.failedBoots], ["active", "proven", []]);
    assert.deepEqual([back.machine.hostname, back.config], ["node-1", { generation: 1, trial: false, notes: [] }]);
    assert.deepEqual(
      (await history(guest)).map(({ kind, outcome }) => `${kind} ${outcome}`),
      ["rollback succeeded", "upgrade succeeded"],
    );
  });

  test(
    "of a foreign, a cut, a swapped or too large an image, or to a disk that does not take it, changes nothing that boots, and says why",
    { skip: inTurn(0) },
    async () => {
      const made = await fixture(UPDATE);
      await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-upgrade-"));
      const large = await largeImage(made.host.tools, folder.path);
      const places = await placesOf(made, ["/usr/lib/systemd/systemd"]);
      const broken = places.part("b", "root").start + 64 * 1024 * 1024;
      await using booted = await machine(made, {
        slot: "a",
        disk: { patches: withEmptyB(places), unwritable: [broken] },
        beside: [{ path: made.slotB }, { path: made.slotB, patches: [foreign(made.slotB)] }, { path: large }],
      });
      const { guest } = booted;
      await guest.ready();
      await statusOf(guest);
      const refused = async (image: string, message: RegExp): Promise<void> => {
        const { status, output } = await guest.run(`petrify upgrade ${image} --stage`, LIMIT_MS);
        assert.deepEqual([status, message.test(output)], [1, true], output);
        assert.match(output, /^hint: /m);
      };
      await refused(BESIDE(2), /the image is for riscv6, and this machine is x86-64/);
      await refused("/etc/os-release", /not a whole system image/);
      await refused("/nowhere.img", /\/nowhere\.img cannot be read \(ENOENT\)/);
      const cut = await guest.check(`losetup --find --show --read-only --sizelimit ${200 * 1024 * 1024} ${IMAGE}`);
      await refused(cut, /not a whole system image|is missing|partition table/);
      await refused(BESIDE(3), /the image of [^\n]* does not fit slot b, which has /);
      assert.equal((await statusOf(guest)).slots.b.state, "empty");
      assert.deepEqual(await history(guest), [], "nothing was begun");

      await guest.check(`ln -s ${IMAGE} /run/new.img && systemd-run --quiet petrify upgrade /run/new.img --stage`);
      await statusOf(guest, ({ operation }) => operation?.at === "checking", LIMIT_MS);
      await guest.check(`ln -sfn ${BESIDE(2)} /run/new.img`);
      const { slots } = await statusOf(guest, ({ operation }) => operation === undefined, LIMIT_MS);
      assert.deepEqual([slots.b.state, slots.b.tries, slots.a.state, slots.a.role], ["empty", 0, "proven", "active"]);
      const [swapped] = await history(guest);
      assert.equal(swapped!.outcome, "failed");
      // What is seen depends on whether the check had opened its source.
      assert.match(swapped!.reason!, /the source has another image by now|manifest/);

      await refused(IMAGE, /EIO|i\/o error/i);
      const after = await statusOf(guest);
      assert.deepEqual(
        [after.slots.b, after.slots.a.state, after.slots.a.role],
        [{ role: "passive", state: "empty", tries: 0 }, "proven", "active"],
      );
      const [failed] = await history(guest);
      assert.deepEqual([failed!.outcome, /EIO|i\/o error/i.test(failed!.reason!)], ["failed", true]);
      assert.equal((await guest.run("petrify rollback")).status, 1);
    },
  );
});

/** Kills the agent as soon as it says that a step has begun; until what was asked for waits for a restart. */
async function killedAtEachStep(guest: Guest): Promise<string[]> {
  const seen: string[] = [];
  while (seen.at(-1) !== "flipped") {
    const { operation } = await statusOf(guest, ({ operation: now }) => now !== undefined && now.at !== seen.at(-1), LIMIT_MS);
    if (operation!.at === "flipping") continue; // a moment
    seen.push(operation!.at);
    await guest.check(KILL);
  }
  return seen;
}

async function restarted(guest: Guest, command: string, slot: SlotName): Promise<AgentStatus> {
  await guest.check(`systemd-run --quiet ${command}`);
  await guest.ready(LIMIT_MS);
  const status = await statusOf(guest, () => true);
  assert.equal(status.running, slot);
  return status;
}

/** What the last line of a command's output says. */
async function json<T extends object>(guest: Guest, command: string): Promise<T & { readonly changed: boolean }> {
  const { output } = await guest.run(command, LIMIT_MS);
  return (JSON.parse(output.trim().split("\n").at(-1)!) as { value: T & { changed: boolean } }).value;
}

const history = async (guest: Guest): Promise<readonly HistoryEntry[]> =>
  (await json<{ operations: readonly HistoryEntry[] }>(guest, "petrify history --json")).operations;

/** Whole as far as its table and its manifest go; nothing reads further of an image that fits nowhere. */
async function largeImage(tools: Tools, folder: string): Promise<string> {
  const file = async (name: string, size: Bytes): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, "");
    await truncate(path, size);
    return path;
  };
  const facts = { name: "large", version: "1", architecture: "x86-64", kernel: "6.12.0", created: 1_700_000_000 } as const;
  const image = join(folder, "image");
  await assembleSystemImage(
    tools,
    {
      ...{ facts, rootHash: "1".repeat(32) + "2".repeat(32), imageCfg: "" },
      ...{ vmlinuz: await file("vmlinuz", MiB), initrd: await file("initrd", MiB) },
      ...{ root: await file("root", 4 * GiB), verity: await file("verity", 32 * MiB) },
    },
    image,
    folder,
  );
  return image;
}

/** The manifest's word for the processor, changed to one of the same length. */
function foreign(path: string): Patch {
  using image = openImage(path);
  const head = Buffer.from(image.read(0, 64 * 1024 * 1024));
  const offset = head.indexOf('"architecture": "x86-64"');
  assert.ok(offset > 0);
  return { offset, data: Buffer.from('"architecture": "riscv6"') };
}
