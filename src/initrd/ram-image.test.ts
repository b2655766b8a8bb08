import assert from "node:assert/strict";
import { test } from "node:test";
import { GiB, MiB } from "../core/units.ts";
import { imageCommandLine, ramCommandLine } from "../layout/cmdline.ts";
import { parseRunFacts } from "../layout/run-facts.ts";
import { errors, run } from "./fake-boot.ts";
import { fakeMachine, ROOT_HASH, systemImage } from "./fake-machine.ts";
import type { FakeSys } from "./fake-sys.ts";

test("an image in memory boots without a disk, as a new machine, and every folder starts empty", () => {
  const sys = ramMachine();
  run(sys);
  assert.deepEqual(errors(sys), []);
  assert.match(sys.done.at(-1)!, /^exec/);
  const facts = parseRunFacts(sys.readText("/run/petrify/boot.json"));
  assert.equal(facts.slot, "ram");
  assert.equal(facts.disk, undefined);
  assert.deepEqual(facts.partitions, {});
  assert.deepEqual(facts.notes, []);
  assert.equal(sys.readText("/run/petrify/config-wanted"), "this system runs from memory\n");
  assert.match(sys.readText("/sysroot/etc/fstab"), /^tmpfs \/usr\/local tmpfs /m);
  assert.match(sys.readText("/sysroot/etc/machine-id"), /^[0-9a-f]{32}\n$/);
  const shown = sys.done.filter((line) => line.includes(" /run/petrify/images"));
  assert.deepEqual(shown.slice(-2), [
    "mount 4096 /system.img /run/petrify/images/system.img",
    "mount 4143  /run/petrify/images/system.img",
  ]);
  assert.deepEqual(
    sys.done.filter((line) => line.startsWith("mount ext4")),
    [],
  );
});

test("an image in memory that cannot be shown boots, and says so", () => {
  const sys = ramMachine();
  sys.refuses.set("mount 4096 /system.img", 22);
  run(sys);
  assert.match(sys.done.at(-1)!, /^exec/);
  assert.match(parseRunFacts(sys.readText("/run/petrify/boot.json")).notes.join(), /^this system cannot be installed/);
});

for (const [memory, says] of [
  [300_000, /only 40 MiB of the image's 1.5 GiB found room in 293 MiB of memory. Give the machine 3.3 GiB. Restarting/],
  [3_050_000, /the initrd holds 41943040 of the image's \d+ bytes. [^.]* may be damaged. It needs 3 GiB of memory. Restarting/],
  [8_000_000, /the initrd holds 41943040 of the image's \d+ bytes. Take initrd and command line of one build/],
] as const) {
  test(`an image in memory that is cut short is said to be, with ${memory} kB of memory`, () => {
    const sys = ramMachine();
    sys.blocks.set("/system.img", { ...systemImage(), stored: 40 * MiB });
    sys.files.set("/proc/meminfo", `MemTotal:  ${memory} kB\n`);
    run(sys);
    assert.match(errors(sys).join(), /^memory does not start: /);
    assert.match(errors(sys).join(), says);
  });
}

test("a machine config beside the image in memory is kept, byte for byte and for root only; from a disk none is taken", () => {
  const sys = ramMachine();
  sys.files.set("/machine.yaml", "#cloud-config\nhostname: \u00c3\u00a9\n");
  run(sys);
  assert.deepEqual(errors(sys), []);
  assert.equal(sys.readText("/run/petrify/machine.yaml"), "#cloud-config\nhostname: \u00c3\u00a9\n");
  assert.ok(sys.done.includes("create /run/petrify/machine.yaml.new"), "which only root may read");
  const fromDisk = fakeMachine();
  fromDisk.files.set("/machine.yaml", "#cloud-config\n");
  run(fromDisk);
  assert.equal(fromDisk.exists("/run/petrify/machine.yaml"), false);
});

test("a machine config that cannot be kept is a note, not a failed boot", () => {
  for (const spoil of [
    (sys: FakeSys) => sys.blocks.set("/machine.yaml", { size: 2 * MiB, patches: [] }),
    (sys: FakeSys) => {
      sys.files.set("/machine.yaml", "#cloud-config\n");
      sys.refuses.set("rename /run/petrify/machine.yaml.new /run/petrify/machine.yaml", 28);
    },
  ]) {
    const sys = ramMachine();
    spoil(sys);
    run(sys);
    assert.match(sys.done.at(-1)!, /^exec/);
    assert.match(parseRunFacts(sys.readText("/run/petrify/boot.json")).notes.join(), /machine config of the initrd is left out/);
  }
});

function ramMachine(): FakeSys {
  const sys = fakeMachine();
  const image = systemImage();
  sys.blocks.set("/system.img", image);
  sys.files.set(
    "/proc/cmdline",
    `${imageCommandLine({ rootHash: ROOT_HASH })} ${ramCommandLine({ size: image.size, memory: 3 * GiB })}\n`,
  );
  return sys;
}
