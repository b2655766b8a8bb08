import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { imageCommandLine, loaderCommandLine } from "../layout/cmdline.ts";
import { encodeResetOrder, RESET_ORDER_OFFSET, type ResetOrder, type ResetStage } from "../layout/reset-order.ts";
import { parseRunFacts } from "../layout/run-facts.ts";
import type { BootTarget } from "../layout/slots.ts";
import { boot } from "./boot.ts";
import { fakeMachine, GUIDS, ROOT_HASH, systemImage, whenDone } from "./fake-machine.ts";
import { Gone, type FakeSys } from "./fake-sys.ts";

const order = (at: ResetStage): ResetOrder => ({
  ...{
    id: "0badcafe",
    kind: "reset",
    at,
    keep: [],
    erase: false,
    after: "reboot",
    cause: "asked for by root",
    askedAt: 1_795_000_000,
  },
  ...{ attempts: 0, from: { slot: "a", version: "1.2.0" } },
});

/** Boots that target from a disk with such a block; the disk appears once its driver is loaded. */
function booted(slot: BootTarget, block: Uint8Array | undefined, prepare: (sys: FakeSys) => void = () => {}): FakeSys {
  const sys = fakeMachine();
  const place =
    slot === "recovery" ? { disk: GUIDS.recovery, file: "/recovery1.img" } : { disk: GUIDS.state, file: `/${slot}.img` };
  sys.files.set("/proc/cmdline", `${imageCommandLine({ rootHash: ROOT_HASH })} ${loaderCommandLine({ slot, ...place })}\n`);
  whenDone(sys, /^mount ext4 \/dev\/vda5/, () => sys.blocks.set("/run/petrify/images/recovery1.img", systemImage()));
  whenDone(sys, /virtio_blk/, () => {
    const record = sys.blocks.get("/dev/vda3")!;
    if (block)
      sys.blocks.set("/dev/vda3", { ...record, patches: [...record.patches, { offset: RESET_ORDER_OFFSET, data: block }] });
    prepare(sys);
  });
  assert.throws(() => boot(sys, { reached: {} }, []), Gone);
  return sys;
}
const isMounting = (sys: FakeSys): boolean => /\/run\/petrify\/dev\//.test(sys.readText("/sysroot/etc/fstab"));
const isLinked = (sys: FakeSys): boolean => sys.exists("/run/petrify/dev/oem") || sys.exists("/run/petrify/dev/persistent");

suite("a boot that finds an order to reset", () => {
  for (const at of ["ordered", "written"] as const) {
    test(`of recovery (${at}) mounts no data, and says why`, () => {
      const sys = booted("recovery", encodeResetOrder(order(at)));
      const facts = parseRunFacts(sys.readText("/run/petrify/boot.json"));
      assert.equal(facts.resetting, true);
      assert.deepEqual(facts.notes, ["this machine is being reset: its data partitions are not mounted"]);
      assert.equal(facts.partitions.persistent?.device, "/dev/vda7"); // there to be made anew
      assert.equal(isMounting(sys) || isLinked(sys), false);
      assert.match(sys.readText("/sysroot/etc/fstab"), /^tmpfs \/usr\/local tmpfs /m);
    });
  }

  const ordered = encodeResetOrder(order("ordered"));
  const torn = ordered.map((byte, at) => (at === 40 ? byte ^ 1 : byte));
  for (const [what, slot, block] of [
    ["of a slot", "a", ordered],
    ["that has ended", "recovery", encodeResetOrder(order("ended"))],
    ["that is not whole", "recovery", torn],
    ["that is none", "recovery", undefined],
  ] as const) {
    test(`${what} is as any other`, () => {
      const sys = booted(slot, block);
      assert.equal(parseRunFacts(sys.readText("/run/petrify/boot.json")).resetting, undefined);
      assert.ok(isMounting(sys) && isLinked(sys));
    });
  }
});
