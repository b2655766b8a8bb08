import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeLastWords } from "../layout/last-words.ts";
import { LAST_WORDS_OFFSET } from "../layout/record.ts";
import { errors, run } from "./fake-boot.ts";
import { addDisk, fakeMachine, GUIDS, ROOT_HASH, systemImage, whenDone } from "./fake-machine.ts";
import type { FakeSys } from "./fake-sys.ts";

/** Something wrong with the machine, and what the console says about it. */
const FAULTS: readonly (readonly [what: string, fault: (sys: FakeSys) => void, says: RegExp, lastWords: boolean])[] = [
  [
    "no disk at all",
    (sys) => (sys.react = () => {}),
    /^slot a does not start: no disk has the partition 00000006\S* after 30 s \(there are no disks\)\. Restarting in 5 s\.$/,
    false,
  ],
  [
    "a driver that refuses to start",
    (sys) => sys.refuses.set("load /lib/modules/kernel/virtio_blk.ko", 19),
    /drivers that did not start: virtio_blk \(errno 19\)/,
    false,
  ],
  [
    "a disk with other partitions",
    (sys) => sys.files.set("/proc/cmdline", sys.readText("/proc/cmdline").replace(GUIDS.state, GUIDS.disk)),
    /\(vda: another disk's partitions\)/,
    false,
  ],
  [
    "both partition tables damaged",
    (sys) => {
      whenDone(sys, /virtio_blk/, () => (sys.blocks.get("/dev/vda")!.patches.length = 0));
    },
    /\(vda: both partition tables are damaged: primary header: no signature; backup header: no signature\)/,
    false,
  ],
  ["two copies of the disk", (sys) => addDisk(sys, "sdb"), /the disks sdb and vda are copies: both have the partition/, false],
  ["a file system that does not mount", (sys) => sys.refuses.set("mount ext4", 117), /mount ext4 \/dev\/vda6/, true],
  [
    "no image",
    (sys) => {
      const { react } = sys;
      sys.react = (line) => (line.startsWith("mount ext4") ? undefined : react(line));
    },
    /there is no \/a\.img on the partition that the boot loader named/,
    true,
  ],
  [
    "the image of another root hash",
    (sys) => sys.files.set("/proc/cmdline", sys.readText("/proc/cmdline").replace(ROOT_HASH, "f".repeat(64))),
    /its root partition is not the one of the root hash/,
    true,
  ],
  [
    "a damaged superblock of the hash tree",
    (sys) => {
      const image = systemImage();
      whenDone(sys, /^mount ext4/, () => {
        sys.blocks.set("/run/petrify/images/a.img", { ...image, patches: image.patches.slice(0, -1) });
      });
    },
    /the superblock of the hash tree has no signature/,
    true,
  ],
  ["a root that does not mount", (sys) => sys.refuses.set("mount erofs", 117), /mount erofs \/dev\/dm-7 \/sysroot/, true],
  [
    "an image without an init",
    (sys) => {
      whenDone(sys, /^mount erofs/, () => sys.files.delete("/sysroot/sbin/init"));
    },
    /the image has no init/,
    true,
  ],
  ["an init that cannot be started", (sys) => sys.refuses.set("exec", 8), /exec \/sbin\/init/, true],
  [
    "a command line without a slot",
    (sys) => sys.files.set("/proc/cmdline", "quiet"),
    /^this boot does not start: the kernel command line has no petrify.slot/,
    false,
  ],
  ["an index of drivers that is cut short", (sys) => sys.files.set("/lib/modules/index.json", "{"), /JSON/, false],
];

for (const [what, fault, says, lastWords] of FAULTS) {
  test(`${what}: the console says so${lastWords ? ", the record partition keeps it," : ""} and the machine restarts`, () => {
    const sys = fakeMachine();
    fault(sys);
    run(sys);
    assert.equal(errors(sys).length, 1);
    assert.match(errors(sys)[0]!, says);
    assert.deepEqual(sys.done.slice(-2), ["sync", "reboot"]);
    const record = (sys.blocks.get("/dev/vda3")?.patches ?? []).filter(({ offset }) => offset >= LAST_WORDS_OFFSET);
    assert.equal(record.length, lastWords ? 1 : 0);
    for (const { offset, data } of record) {
      assert.equal(offset, LAST_WORDS_OFFSET);
      assert.match(errors(sys)[0]!, new RegExp(`^slot a does not start: .*`));
      assert.ok(errors(sys)[0]!.includes(decodeLastWords(data)!.reason));
    }
  });
}

test("last words that cannot be stored do not keep the machine from restarting", () => {
  const sys = fakeMachine();
  sys.refuses.set("mount erofs", 5);
  sys.refuses.set("write /dev/vda3", 5);
  run(sys);
  assert.equal(errors(sys).length, 2);
  assert.match(errors(sys)[1]!, /last words could not be stored/);
  assert.equal(sys.done.at(-1), "reboot");
});
