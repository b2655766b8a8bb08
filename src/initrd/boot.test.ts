import assert from "node:assert/strict";
import { test } from "node:test";
import { GiB, MiB } from "../core/units.ts";
import { imageCommandLine, imageWords, ramCommandLine } from "../layout/cmdline.ts";
import { parseRunFacts } from "../layout/run-facts.ts";
import { CLOCK_OFFSET, encodeStoredClock } from "../layout/stored-clock.ts";
import { encodeCheckedText } from "../layout/checked-text.ts";
import { decodeIdentity, IDENTITY_OFFSETS } from "../layout/identity.ts";
import { decodeLastWords } from "../layout/last-words.ts";
import { encodeSeed, SEED_OFFSET } from "../layout/random-seed.ts";
import { SEALED_WORDS, SEALED_WORDS_PATH } from "../layout/sealed-cmdline.ts";
import { MOUNT_FLAGS } from "./sys.ts";
import { LAST_WORDS_OFFSET } from "../layout/record.ts";
import { boot, type Known } from "./boot.ts";
import { fail } from "./failure.ts";
import { addDisk, diskPartitions, fakeMachine, GUIDS, MACHINE_ID, ROOT_HASH, STATE_DEVICE, systemImage } from "./fake-machine.ts";
import { Gone, type FakeSys } from "./fake-sys.ts";
import { encodeImageFacts, parseImageFacts } from "../layout/image-facts.ts";

/** As init.ts does it. */
function run(sys: FakeSys, words: readonly string[] = []): Known {
  const known: Known = { reached: {} };
  assert.throws(() => {
    try {
      boot(sys, known, words);
    } catch (error) {
      if (error instanceof Gone) throw error;
      fail(sys, known, error);
    }
  }, Gone);
  return known;
}
const errors = (sys: FakeSys): string[] => sys.done.filter((line) => line.startsWith("error: ")).map((line) => line.slice(7));

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
  const sys = fakeMachine();
  const { react } = sys;
  sys.react = (line) => {
    if (!line.includes("virtio_blk")) return react(line);
    addDisk(sys, "vda", { more: 64 * MiB });
    const persistent = sys.blocks.get("/dev/vda7")!;
    sys.blocks.set("/run/petrify/dev/persistent", {
      ...persistent,
      patches: [{ offset: 1024, data: superblock(persistent.size) }],
    });
  };
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
  const { react } = sys;
  sys.react = (line) => {
    react(line);
    if (!line.includes("virtio_blk")) return;
    const { patches } = sys.blocks.get("/dev/vda3")!;
    patches.length = 0;
    patches.push({ offset: IDENTITY_OFFSETS[0], data: newer });
  };
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

/** Written from a file, never booted. */
function newDisk(): FakeSys {
  const sys = fakeMachine();
  const { react } = sys;
  sys.react = (line) => (line.includes("virtio_blk") ? addDisk(sys, "vda", { booted: false }) : react(line));
  return sys;
}

function damagedIdentity(copies: readonly number[]): FakeSys {
  const sys = fakeMachine();
  const { react } = sys;
  sys.react = (line) => {
    react(line);
    if (!line.includes("virtio_blk")) return;
    for (const copy of copies)
      sys.blocks.get("/dev/vda3")!.patches.push({ offset: IDENTITY_OFFSETS[copy]! + 30, data: new Uint8Array(8) });
  };
  return sys;
}

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

test("a watchdog is armed as soon as its driver is ready, and once", () => {
  const sys = fakeMachine();
  const react = sys.react;
  sys.react = (line) => {
    react(line);
    if (line.startsWith("mount erofs")) sys.blocks.set("/dev/watchdog", { size: 0, patches: [] });
  };
  run(sys);
  assert.equal(sys.done.filter((line) => line === "ioctl /dev/watchdog c0045706").length, 1);
  assert.deepEqual(errors(sys), []);
});

test("a watchdog whose driver takes a moment is armed before the first disk is read", () => {
  const sys = fakeMachine();
  const react = sys.react;
  sys.react = (line) => {
    react(line);
    if (line === "load /lib/modules/kernel/dm-verity.ko") sys.blocks.set("/dev/watchdog", { size: 0, patches: [] });
  };
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
  const { react } = sys;
  sys.react = (line) => {
    react(line);
    if (!line.includes("virtio_blk")) return;
    sys.blocks.get("/dev/vda3")!.patches.push({ offset: CLOCK_OFFSET, data: encodeStoredClock(1_900_000_000.9) });
  };
  sys.setClock(1000);
  run(sys);
  assert.equal(sys.clock(), 1_900_000_000);
});

test("what the last boot left for the kernel's generator is mixed in before an identity is made", () => {
  const seed = Uint8Array.from({ length: 64 }, (_, index) => index + 1);
  for (const stored of [true, false]) {
    const sys = fakeMachine();
    sys.blocks.set("/dev/urandom", { size: 4096, patches: [] });
    sys.react = (line) => {
      if (!line.includes("virtio_blk")) return;
      addDisk(sys, "vda", { booted: false });
      if (stored) sys.blocks.get("/dev/vda3")!.patches.push({ offset: SEED_OFFSET, data: encodeSeed(seed) });
    };
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
    const sys = fakeMachine();
    const react = sys.react;
    sys.react = (line) => (line.includes("virtio_blk") ? addDisk(sys, "vda", { without: name }) : react(line));
    run(sys);
    assert.match(errors(sys).join(), note);
    assert.match(sys.done.at(-1)!, /^exec/);
    assert.match(sys.readText("/sysroot/etc/machine-id"), /^[0-9a-f]{32}\n$/);
  }
});

test("the init is the one that the build has found, also where its path leads through a link of the image, and the fstab is for it", () => {
  const sys = fakeMachine();
  const { react } = sys;
  sys.react = (line) => {
    react(line);
    if (!line.startsWith("mount erofs")) return;
    sys.files.delete("/sysroot/sbin/init");
    const path = "/sysroot/usr/lib/petrify/image.json";
    const init = { kind: "openrc", path: "/usr/bin/init" } as const;
    sys.files.set(path, encodeImageFacts({ ...parseImageFacts(sys.readText(path)), init }));
  };
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
    const { react } = sys;
    sys.react = (line) => {
      react(line);
      if (!line.startsWith("mount erofs")) return;
      const path = "/sysroot/usr/lib/petrify/image.json";
      sys.files.set(path, encodeImageFacts({ ...parseImageFacts(sys.readText(path)), ...(profile ? { profile } : {}) }));
    };
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
  const react = sys.react;
  sys.react = (line) => {
    react(line);
    if (line.startsWith("mount erofs")) sys.files.delete("/sysroot/usr/lib/petrify/image.json");
  };
  run(sys);
  assert.match(errors(sys).join(), /the image does not say what it is/);
  assert.doesNotMatch(sys.readText("/sysroot/etc/fstab"), /\noverlay/);
});

test("a disk that takes 20 seconds is waited for", () => {
  const sys = fakeMachine();
  const pause = sys.pause.bind(sys);
  sys.react = (
    (react) => (line: string) =>
      void (line.includes("virtio_blk") || react(line))
  )(sys.react);
  sys.pause = (milliseconds) => {
    pause(milliseconds);
    if (sys.now() > 21_000 && !sys.blocks.has("/dev/vda")) addDisk(sys, "vda");
  };
  run(sys);
  assert.match(sys.done.at(-1)!, /^exec/);
});

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
      const { react } = sys;
      sys.react = (line) => {
        react(line);
        if (line.includes("virtio_blk")) sys.blocks.get("/dev/vda")!.patches.length = 0;
      };
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
      const { react } = sys;
      sys.react = (line) => {
        react(line);
        const image = systemImage();
        if (line.startsWith("mount ext4")) {
          sys.blocks.set("/run/petrify/images/a.img", { ...image, patches: image.patches.slice(0, -1) });
        }
      };
    },
    /the superblock of the hash tree has no signature/,
    true,
  ],
  ["a root that does not mount", (sys) => sys.refuses.set("mount erofs", 117), /mount erofs \/dev\/dm-7 \/sysroot/, true],
  [
    "an image without an init",
    (sys) => {
      const { react } = sys;
      sys.react = (line) => {
        react(line);
        if (line.startsWith("mount erofs")) sys.files.delete("/sysroot/sbin/init");
      };
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

test("the primary partition table may be damaged: the backup is used, and it is said", () => {
  const sys = fakeMachine();
  const { react } = sys;
  sys.react = (line) => {
    react(line);
    if (line.includes("virtio_blk")) sys.blocks.get("/dev/vda")!.patches.push({ offset: 512, data: new Uint8Array(8) });
  };
  run(sys);
  assert.match(errors(sys).join(), /the partition table of vda is damaged: primary header/);
  assert.match(sys.done.at(-1)!, /^exec/);
  assert.equal(diskPartitions.length, 7);
});
