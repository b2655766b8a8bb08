import assert from "node:assert/strict";
import { test } from "node:test";
import { MiB } from "../core/units.ts";
import { errors, run } from "./fake-boot.ts";
import { fakeMachine, STATE_DEVICE, whenDone } from "./fake-machine.ts";
import type { FakeSys } from "./fake-sys.ts";

test("a disk that is larger than its table grows before anything of it is mounted, and asks for the file system's growth", () => {
  const sys = largerDisk();
  run(sys);
  assert.deepEqual(errors(sys), []);
  const steps = sys.done
    .filter((line) => /^(sync|ioctl|write) \/dev\/vda\b|^mount ext4/.test(line))
    .map((line) => line.split(" at ")[0]);
  const [writes, flush] = [Array<string>(4).fill("write /dev/vda"), "sync /dev/vda"];
  const table = [...writes, flush, ...writes.slice(2), flush, ...writes.slice(2), flush, "ioctl /dev/vda 125f"];
  assert.deepEqual(steps, [...table, `mount ext4 ${STATE_DEVICE} /run/petrify/images`, "mount ext4 /dev/vda4 /oem"]);
  assert.ok(sys.exists("/run/petrify/grow-persistent"));
  const again = fakeMachine();
  run(again);
  assert.equal(again.exists("/run/petrify/grow-persistent"), false);
});

for (const refused of ["write /dev/vda", "sync /dev/vda", "ioctl /dev/vda 125f"]) {
  test(`a disk that cannot grow (${refused}) boots as it is, and it is said`, () => {
    const sys = largerDisk();
    sys.refuses.set(refused, 5);
    run(sys);
    assert.match(errors(sys).join(), /the partition table of vda cannot be changed: /);
    assert.match(sys.done.at(-1)!, /^exec/);
  });
}

function largerDisk(): FakeSys {
  const sys = fakeMachine({ more: 64 * MiB });
  whenDone(sys, /virtio_blk/, () => {
    const persistent = sys.blocks.get("/dev/vda7")!;
    sys.blocks.set("/run/petrify/dev/persistent", {
      ...persistent,
      patches: [{ offset: 1024, data: superblock(persistent.size) }],
    });
  });
  return sys;
}

/** Of an ext4 with blocks of 4096 bytes. */
function superblock(size: number): Uint8Array {
  const bytes = new Uint8Array(1024);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, size / 4096, true);
  view.setUint32(24, 2, true);
  view.setUint16(56, 0xef53, true);
  return bytes;
}
