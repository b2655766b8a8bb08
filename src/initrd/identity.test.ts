import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeCheckedText } from "../layout/checked-text.ts";
import { decodeIdentity, IDENTITY_OFFSETS } from "../layout/identity.ts";
import { parseRunFacts } from "../layout/run-facts.ts";
import { errors, run } from "./fake-boot.ts";
import { fakeMachine, GUIDS, MACHINE_ID, whenDone } from "./fake-machine.ts";
import type { FakeSys } from "./fake-sys.ts";

/** Written from a file, never booted. */
const newDisk = (): FakeSys => fakeMachine({ booted: false });

test("the first boot of a disk makes it its own: other GUIDs, an identity in both places, stored last", () => {
  const sys = newDisk();
  run(sys);
  assert.deepEqual(errors(sys), []);
  const { partitions } = parseRunFacts(sys.readText("/run/petrify/boot.json"));
  assert.equal(new Set(Object.values(partitions).map(({ guid }) => guid)).size, 7);
  for (const { guid } of Object.values(partitions)) assert.ok(!Object.values(GUIDS).includes(guid), guid);
  const machineId = sys.readText("/sysroot/etc/machine-id").trim();
  assert.match(machineId, /^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  const steps = sys.done.filter((line) => /^(ioctl|write|sync) \/dev\/vda3?\b/.test(line));
  const [first, second] = IDENTITY_OFFSETS;
  const last = [
    "ioctl /dev/vda 125f",
    `write /dev/vda3 at ${first}`,
    "sync /dev/vda3",
    `write /dev/vda3 at ${second}`,
    "sync /dev/vda3",
  ];
  assert.deepEqual(steps.slice(-5), last);
  for (const offset of IDENTITY_OFFSETS) {
    const { data } = sys.blocks.get("/dev/vda3")!.patches.find((patch) => patch.offset === offset)!;
    assert.deepEqual(decodeIdentity(data), { machineId });
  }
});

for (const copy of [0, 1]) {
  test(`with copy ${copy + 1} of the identity damaged the machine stays who it is, and the copy is written again`, () => {
    const sys = damagedIdentity([copy]);
    run(sys);
    assert.equal(sys.readText("/sysroot/etc/machine-id"), `${MACHINE_ID}\n`);
    const patches = sys.blocks.get("/dev/vda3")!.patches.filter(({ offset }) => offset === IDENTITY_OFFSETS[copy]);
    assert.deepEqual(decodeIdentity(patches.at(-1)!.data), { machineId: MACHINE_ID });
    assert.ok(!sys.done.includes("ioctl /dev/vda 125f"), "it is no first boot");
  });
}

test("a copy is mended with all that newer software wrote into the other one", () => {
  const newer = encodeCheckedText("petrify-identity 2", `machine-id: ${MACHINE_ID}\nmore: x\n`);
  const sys = fakeMachine();
  whenDone(sys, /virtio_blk/, () => {
    const { patches } = sys.blocks.get("/dev/vda3")!;
    patches.length = 0;
    patches.push({ offset: IDENTITY_OFFSETS[0], data: newer });
  });
  run(sys);
  assert.equal(sys.readText("/sysroot/etc/machine-id"), `${MACHINE_ID}\n`);
  const second = sys.blocks.get("/dev/vda3")!.patches.findLast(({ offset }) => offset === IDENTITY_OFFSETS[1]);
  assert.deepEqual(second?.data, newer);
});

test("with both copies gone it is a first boot again", () => {
  const sys = damagedIdentity([0, 1]);
  run(sys);
  assert.match(sys.readText("/sysroot/etc/machine-id"), /^[0-9a-f]{32}\n$/);
  assert.ok(sys.done.includes("ioctl /dev/vda 125f"));
});

test("an identity that cannot be read is neither replaced nor guessed, and it is said", () => {
  const sys = fakeMachine();
  for (const offset of IDENTITY_OFFSETS) sys.refuses.set(`read /dev/vda3 ${offset}`, 5);
  run(sys);
  assert.equal(sys.readText("/sysroot/etc/machine-id"), "");
  assert.match(errors(sys).join(), /identity cannot be read/);
  assert.equal(sys.done.filter((line) => line.startsWith("write /dev/vda")).length, 0);
  assert.match(sys.done.at(-1)!, /^exec/);
});

test("an identity that cannot be stored is used for this boot, and it is said", () => {
  const sys = newDisk();
  sys.refuses.set("write /dev/vda3", 5);
  run(sys);
  assert.match(sys.readText("/sysroot/etc/machine-id"), /^[0-9a-f]{32}\n$/);
  assert.match(errors(sys).join(), /identity cannot be stored/);
});

function damagedIdentity(copies: readonly number[]): FakeSys {
  const sys = fakeMachine();
  whenDone(sys, /virtio_blk/, () => {
    for (const copy of copies)
      sys.blocks.get("/dev/vda3")!.patches.push({ offset: IDENTITY_OFFSETS[copy]! + 30, data: new Uint8Array(8) });
  });
  return sys;
}
