/** Early boot of a machine in memory, from the kernel's start of it to the image's init. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { imageWords } from "../layout/cmdline.ts";
import { encodeImageFacts, parseImageFacts } from "../layout/image-facts.ts";
import { encodeSeed, SEED_OFFSET } from "../layout/random-seed.ts";
import { parseRunFacts } from "../layout/run-facts.ts";
import { SEALED_WORDS, SEALED_WORDS_PATH } from "../layout/sealed-cmdline.ts";
import { CLOCK_OFFSET, encodeStoredClock } from "../layout/stored-clock.ts";
import { errors, run } from "./fake-boot.ts";
import { addDisk, diskPartitions, fakeMachine, GUIDS, MACHINE_ID, ROOT_HASH, STATE_DEVICE, whenDone } from "./fake-machine.ts";
import type { FakeSys } from "./fake-sys.ts";
import { MOUNT_FLAGS } from "./sys.ts";

test("a whole machine becomes the image's init, one step after the other", () => {
  const sys = fakeMachine();
  run(sys, ["single"]);
  const steps = sys.done.filter((line) => /^(mount|load|ioctl|root|exec|error|info)/.test(line));
  assert.deepEqual(steps, [
    "mount devtmpfs devtmpfs /dev",
    "mount proc proc /proc",
    "mount sysfs sysfs /sys",
    "mount tmpfs tmpfs /run",
    "load /lib/modules/kernel/virtio_blk.ko",
    "load /lib/modules/kernel/dm-bufio.ko",
    "load /lib/modules/kernel/dm-verity.ko",
    `mount ext4 ${STATE_DEVICE} /run/petrify/images`,
    "ioctl /dev/loop-control 4c82",
    "ioctl /dev/loop0 4c0a",
    "ioctl /dev/loop-control 4c82",
    "ioctl /dev/loop1 4c0a",
    "ioctl /dev/mapper/control c138fd03 petrify-root",
    "ioctl /dev/mapper/control c138fd09 petrify-root 65536 verity " +
      `1 /dev/loop0 /dev/loop1 4096 4096 8192 1 sha256 ${ROOT_HASH} - 2 restart_on_corruption restart_on_error`,
    "ioctl /dev/mapper/control c138fd06 petrify-root",
    "mount erofs /dev/dm-7 /sysroot",
    "mount ext4 /dev/vda4 /oem",
    "mount 4097 /sysroot /run/petrify/root",
    "mount tmpfs tmpfs /run/petrify/ephemeral",
    "mount overlay overlay /sysroot/etc",
    "mount overlay overlay /sysroot/var",
    "mount tmpfs tmpfs /sysroot/tmp",
    "mount tmpfs tmpfs /run/lock",
    "mount mqueue mqueue /dev/mqueue",
    "mount debugfs debugfs /sys/kernel/debug",
    "info: slot a: edge 1.2.0 from /dev/vda6",
    "mount 8192 /dev /sysroot/dev",
    "mount 8192 /proc /sysroot/proc",
    "mount 8192 /sys /sysroot/sys",
    "mount 8192 /run /sysroot/run",
    "root /sysroot",
    "exec /sbin/init /sbin/init single",
  ]);
});

test("facts, fstab and machine id are in place before the image's init starts", () => {
  const sys = fakeMachine();
  run(sys);
  const facts = parseRunFacts(sys.readText("/run/petrify/boot.json"));
  assert.equal(facts.slot, "a");
  assert.equal(facts.disk, "/dev/vda");
  assert.deepEqual(facts.partitions.record, { guid: GUIDS.record, device: "/dev/vda3" });
  assert.equal(facts.image?.version, "1.2.0");
  assert.deepEqual(facts.notes, []);
  assert.deepEqual(Object.keys(facts.reached), ["start", "drivers", "disk", "root", "config", "switch"]);
  assert.match(sys.readText("/sysroot/etc/fstab"), /^\/run\/petrify\/dev\/persistent \/usr\/local ext4 /m);
  assert.equal(sys.files.get("/run/petrify/dev/persistent"), "/dev/vda7");
  assert.equal(sys.files.get("/run/petrify/dev/oem"), "/dev/vda4");
  assert.match(sys.readText("/sysroot/etc/fstab"), /^overlay \/home overlay /m);
  assert.equal(sys.readText("/sysroot/etc/machine-id"), `${MACHINE_ID}\n`);
});

test("a mount for services that the kernel refuses is left to the image's init", () => {
  const sys = fakeMachine();
  for (const type of ["tmpfs tmpfs /sysroot/tmp", "debugfs"]) sys.refuses.set(`mount ${type}`, 22);
  run(sys);
  assert.deepEqual(errors(sys), []);
  assert.ok(sys.done.includes("mount mqueue mqueue /dev/mqueue"));
  assert.match(sys.done.at(-1)!, /^exec/);
});

test("a watchdog is armed as soon as its driver is ready, and once", () => {
  const sys = fakeMachine();
  whenDone(sys, /^mount erofs/, () => sys.blocks.set("/dev/watchdog", { size: 0, patches: [] }));
  run(sys);
  assert.equal(sys.done.filter((line) => line === "ioctl /dev/watchdog c0045706").length, 1);
  assert.deepEqual(errors(sys), []);
});

test("a watchdog whose driver takes a moment is armed before the first disk is read", () => {
  const sys = fakeMachine();
  whenDone(sys, /dm-verity/, () => sys.blocks.set("/dev/watchdog", { size: 0, patches: [] }));
  const plain = { ...sys };
  let isArmed: boolean | undefined;
  sys.open = (path, access) => {
    if (path === "/dev/vda") isArmed ??= sys.done.includes("ioctl /dev/watchdog c0045706");
    return plain.open(path, access);
  };
  run(sys);
  assert.equal(isArmed, true, "a disk that does not answer would hold up everything");
});

test("a clock that stands before the image's build is set forward, no other is touched", () => {
  const late = fakeMachine();
  run(late);
  assert.equal(
    late.done.some((line) => line.startsWith("clock")),
    false,
  );
  const early = fakeMachine();
  early.setClock(1000);
  run(early);
  assert.equal(early.clock(), 1_790_000_000);
});

test("a clock that stands before the last stored time is set to it", () => {
  const sys = fakeMachine();
  whenDone(sys, /virtio_blk/, () => {
    sys.blocks.get("/dev/vda3")!.patches.push({ offset: CLOCK_OFFSET, data: encodeStoredClock(1_900_000_000.9) });
  });
  sys.setClock(1000);
  run(sys);
  assert.equal(sys.clock(), 1_900_000_000);
});

test("what the last boot left for the kernel's generator is mixed in before an identity is made", () => {
  const seed = Uint8Array.from({ length: 64 }, (_, index) => index + 1);
  for (const stored of [true, false]) {
    const sys = fakeMachine({ booted: false });
    sys.blocks.set("/dev/urandom", { size: 4096, patches: [] });
    whenDone(sys, /virtio_blk/, () => {
      if (stored) sys.blocks.get("/dev/vda3")!.patches.push({ offset: SEED_OFFSET, data: encodeSeed(seed) });
    });
    run(sys);
    const written = sys.blocks.get("/dev/urandom")!.patches.map(({ data }) => data);
    assert.deepEqual(written, stored ? [seed] : []);
    const [mixed, made] = ["write /dev/urandom", "write /dev/vda3"].map((start) =>
      sys.done.findIndex((line) => line.startsWith(start)),
    );
    if (stored) assert.ok(mixed! < made!, sys.done.join("\n"));
  }
});

test("a place for the time that cannot be read leaves the image's build time", () => {
  const sys = fakeMachine();
  sys.refuses.set(`read /dev/vda3 ${CLOCK_OFFSET}`, 5);
  sys.setClock(1000);
  run(sys);
  assert.equal(sys.clock(), 1_790_000_000);
  assert.deepEqual(errors(sys), []);
});

test("a disk without data partitions boots, and says what it does without", () => {
  for (const [name, note] of [
    ["oem", /no oem partition/],
    ["persistent", /no persistent partition/],
  ] as const) {
    const sys = fakeMachine({ without: name });
    run(sys);
    assert.match(errors(sys).join(), note);
    assert.match(sys.done.at(-1)!, /^exec/);
    assert.match(sys.readText("/sysroot/etc/machine-id"), /^[0-9a-f]{32}\n$/);
  }
});

test("the init is the one that the build has found, also where its path leads through a link of the image, and the fstab is for it", () => {
  const sys = fakeMachine();
  whenDone(sys, /^mount erofs/, () => {
    sys.files.delete("/sysroot/sbin/init");
    const path = "/sysroot/usr/lib/petrify/image.json";
    const init = { kind: "openrc", path: "/usr/bin/init" } as const;
    sys.files.set(path, encodeImageFacts({ ...parseImageFacts(sys.readText(path)), init }));
  });
  run(sys);
  assert.match(sys.done.at(-1)!, /^exec \/usr\/bin\/init /);
  assert.doesNotMatch(sys.readText("/sysroot/etc/fstab"), /x-systemd/);
});

/** Nothing of it asks for what a mount was made with. */
function watchMounts(sys: FakeSys): Map<string, number> {
  const found = new Map<string, number>();
  const mount = sys.mount.bind(sys);
  sys.mount = (source, target, options) => {
    mount(source, target, options);
    found.set(target, options?.flags ?? 0);
  };
  return found;
}

for (const profile of [undefined, "sealed"] as const)
  test(`what can be written to ${profile === undefined ? "keeps its programs in an open image" : "executes nothing in a sealed one"}`, () => {
    const sys = fakeMachine();
    whenDone(sys, /^mount erofs/, () => {
      const path = "/sysroot/usr/lib/petrify/image.json";
      sys.files.set(path, encodeImageFacts({ ...parseImageFacts(sys.readText(path)), ...(profile ? { profile } : {}) }));
    });
    const mounts = watchMounts(sys);
    run(sys);
    const isClosed = (path: string): boolean => (mounts.get(path)! & (MOUNT_FLAGS.noExec | MOUNT_FLAGS.noSuid)) === 10;
    for (const path of ["/sysroot/etc", "/sysroot/var", "/sysroot/tmp", "/run", "/dev", "/run/petrify/ephemeral"])
      assert.equal(isClosed(path), profile === "sealed", path);
    assert.equal(mounts.has("/dev/shm") && isClosed("/dev/shm"), profile === "sealed");
    const lines = sys.readText("/sysroot/etc/fstab").split("\n");
    for (const path of ["/tmp", "/usr/local", "/home"])
      assert.equal(/nosuid,nodev,noexec/.test(lines.find((line) => line.split(" ")[1] === path)!), profile === "sealed", path);
  });

test("a sealed image restarts where its command line has words of somebody else, before anything of the disk is used", () => {
  const words = imageWords([...SEALED_WORDS]);
  const sealed = (more: string): FakeSys => {
    const sys = fakeMachine();
    sys.files.set(SEALED_WORDS_PATH, JSON.stringify(words));
    sys.files.set("/proc/cmdline", `${sys.readText("/proc/cmdline").trim()} ${SEALED_WORDS.join(" ")}${more}\n`);
    return sys;
  };
  const whole = sealed(" quiet");
  run(whole);
  assert.match(whole.done.at(-1)!, /^exec /);
  const told = sealed(" systemd.debug_shell");
  run(told);
  assert.equal(told.done.at(-1), "reboot");
  assert.match(errors(told).join(), /has a word that a sealed image does not take: systemd\.debug_shell/);
  assert.equal(
    told.done.some((line) => line.startsWith("mount ext4")),
    false,
  );
});

test("an image without facts boots, without persistent folders", () => {
  const sys = fakeMachine();
  whenDone(sys, /^mount erofs/, () => sys.files.delete("/sysroot/usr/lib/petrify/image.json"));
  run(sys);
  assert.match(errors(sys).join(), /the image does not say what it is/);
  assert.doesNotMatch(sys.readText("/sysroot/etc/fstab"), /\noverlay/);
});

test("a disk that takes 20 seconds is waited for", () => {
  const sys = fakeMachine();
  const { react } = sys;
  sys.react = (line) => (line.includes("virtio_blk") ? undefined : react(line));
  const pause = sys.pause.bind(sys);
  sys.pause = (milliseconds) => {
    pause(milliseconds);
    if (sys.now() > 21_000 && !sys.blocks.has("/dev/vda")) addDisk(sys, "vda");
  };
  run(sys);
  assert.match(sys.done.at(-1)!, /^exec/);
});

test("the primary partition table may be damaged: the backup is used, and it is said", () => {
  const sys = fakeMachine();
  whenDone(sys, /virtio_blk/, () => sys.blocks.get("/dev/vda")!.patches.push({ offset: 512, data: new Uint8Array(8) }));
  run(sys);
  assert.match(errors(sys).join(), /the partition table of vda is damaged: primary header/);
  assert.match(sys.done.at(-1)!, /^exec/);
  assert.equal(diskPartitions.length, 7);
});
