import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { GiB } from "../core/units.ts";
import { chooseAutomatically, chooseByFacts, parseDiskName, type DiskName } from "./choose-disk.ts";
import type { FlashTarget } from "./flash-target.ts";

const GB = 1e9;
const DISK: FlashTarget = {
  ...{ path: "/dev/sda", kind: "disk", size: 500 * GB, sectorSize: 512, readOnly: false, removable: false },
  ...{ mounts: [], holders: [], loops: [], isBusy: false, isAllowed: true, found: [] },
};
const disk = (path: string, more: Partial<FlashTarget> = {}): FlashTarget => ({ ...DISK, path: `/dev/${path}`, ...more });

const NAMES: Readonly<Record<string, DiskName>> = {
  auto: { is: "auto" },
  "./auto": { is: "path", name: "./auto" },
  "/dev/sda": { is: "path", name: "/dev/sda" },
  "usb-Example_Stick_0123-0:0": { is: "path", name: "usb-Example_Stick_0123-0:0" },
  "serial:A B:1": { is: "serial", serial: "A B:1" },
  "size:500G": { is: "size", least: 490 * GB, most: 510 * GB },
  "size:0.5T": { is: "size", least: 490 * GB, most: 510 * GB },
  "size:100GiB": { is: "size", least: 98 * GiB, most: 102 * GiB },
  "size:>=100G": { is: "size", least: 98 * GB, most: Number.MAX_SAFE_INTEGER },
  "size:<=2T": { is: "size", least: 0, most: 2040 * GB },
  "size:100G..1T": { is: "size", least: 98 * GB, most: 1020 * GB },
};
for (const [text, name] of Object.entries(NAMES)) {
  test(`${text} is a name of a disk`, () => assert.deepEqual(parseDiskName(text), name));
}
for (const text of [
  "",
  "serial:",
  "size:",
  "size:5",
  "size:G",
  "size:-5G",
  "size:1T..1G",
  "size:>=",
  "size:..",
  "size:1e3G",
  "a\0b",
]) {
  test(`${JSON.stringify(text)} names no disk`, () => assert.throws(() => parseDiskName(text), { code: "DEVICE_NAME_INVALID" }));
}

test("any text is a name, or is refused", () => {
  const part = fc.constantFrom("size:", "serial:", ">=", "<=", "..", "1", "500", ".", "G", "GiB", "T", "auto");
  fc.assert(
    fc.property(fc.array(fc.oneof(part, fc.string({ maxLength: 4 })), { maxLength: 6 }), (parts) => {
      try {
        const name = parseDiskName(parts.join(""));
        if (name.is === "size") assert.ok(name.least <= name.most && name.least >= 0);
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === "DEVICE_NAME_INVALID");
      }
    }),
    { numRuns: 1000 },
  );
});

type ByFacts = Parameters<typeof chooseByFacts>[0];
const byFacts = (text: string, disks: readonly FlashTarget[]): string =>
  chooseByFacts(parseDiskName(text) as ByFacts, disks).disk.path;

test("a disk is found by its serial number, and by a size that two makers would give the same name", () => {
  const disks = [disk("sda", { serial: "A1", size: 500_107_862_016 }), disk("sdb", { serial: "A2", size: 2_000_398_934_016 })];
  assert.equal(byFacts("serial:A2", disks), "/dev/sdb");
  assert.equal(byFacts("size:500G", disks), "/dev/sda");
  assert.equal(byFacts("size:2T", disks), "/dev/sdb");
  assert.equal(byFacts("size:<=1T", disks), "/dev/sda");
  assert.equal(byFacts("size:1T..2T", disks), "/dev/sdb");
  assert.match(
    chooseByFacts({ is: "serial", serial: "A1" }, disks).rule,
    /^\/dev\/sda is the only disk with the serial number A1\.$/,
  );
});

test("a size that several disks have is refused with all of them, one in use and one with data as well: nothing is guessed", () => {
  const disks = [
    disk("sda", { found: ["ext4"], model: "Example" }),
    disk("sdb", { isBusy: true }),
    disk("sdc", { size: 2000 * GB }),
  ];
  assert.throws(() => byFacts("size:500G", disks), {
    code: "DEVICE_AMBIGUOUS",
    message: /several disks have .*: \/dev\/sda \(Example, .*\), \/dev\/sdb \(/,
  });
});

test("what is no disk has neither size nor serial number: loop devices, memory, CDs, partitions, readers without a card", () => {
  const others = [
    ...["loop0", "zram0", "ram1", "sr0", "fd0"].map((path) => disk(path, { serial: "A1" })),
    ...[disk("sda1", { kind: "partition", serial: "A1" }), disk("dm-0", { kind: "other", serial: "A1" })],
    disk("sdz", { size: 0, serial: "A1" }),
  ];
  for (const name of ["serial:A1", "size:<=1T"]) assert.throws(() => byFacts(name, others), { code: "DEVICE_MISSING" }, name);
  assert.equal(byFacts("serial:A1", [...others, disk("sdb", { serial: "A1" })]), "/dev/sdb");
  const { hint } = caught(() => byFacts("serial:B", [disk("sdb", { serial: "A1" })]));
  assert.match(hint ?? "", /There are: \/dev\/sdb \(serial A1/);
});

interface AutoCase {
  readonly disks: readonly FlashTarget[];
  readonly wipe?: boolean;
  readonly takes: string | RegExp;
}
const DATA = { found: ["ext4"] };
const AUTO: Readonly<Record<string, AutoCase>> = {
  "the only one": { disks: [disk("sda")], takes: "/dev/sda" },
  "a blank one, not one with data": { disks: [disk("sda", DATA), disk("sdb")], takes: "/dev/sdb" },
  "no disk with data, unless told": { disks: [disk("sda", DATA)], takes: /holds data: ext4/ },
  "one with data when told, and there is no blank one": { disks: [disk("sda", DATA)], wipe: true, takes: "/dev/sda" },
  "a blank one even when told that data may go, though it is larger": {
    disks: [disk("sda", { ...DATA, size: 200 * GB }), disk("sdb")],
    wipe: true,
    takes: "/dev/sdb",
  },
  "the smallest that fits": {
    disks: [disk("sda", { size: 5 * GB }), disk("sdb", { size: 900 * GB }), disk("sdc", { size: 50 * GB })],
    takes: "/dev/sdc",
  },
  "a built-in one before a smaller one on USB": {
    disks: [disk("sda", { transport: "usb", size: 50 * GB }), disk("sdb")],
    takes: "/dev/sdb",
  },
  "a built-in one with data, when told, before a blank one on USB": {
    disks: [disk("sda", { transport: "usb" }), disk("sdb", DATA)],
    wipe: true,
    takes: "/dev/sdb",
  },
  "one on USB when there is no other": { disks: [disk("sda", { removable: true })], takes: "/dev/sda" },
  "the first by path of two that are alike": { disks: [disk("sdaa"), disk("sdb")], takes: "/dev/sdb" },
  "no loop device, no partition, no CD": {
    disks: [disk("loop0"), disk("sda1", { kind: "partition" }), disk("sr0", { kind: "other" })],
    takes: /There are no disks/,
  },
  "none in use, write-protected or failing": {
    disks: [
      disk("sda", { mounts: [{ device: "/dev/sda1", at: "/mnt" }] }),
      disk("sdb", { readOnly: true }),
      disk("sdc", { failing: "EIO" }),
    ],
    takes: /sda is mounted.*sdb is write-protected.*sdc is failing/,
  },
  "none that is too small": { disks: [disk("sda", { size: GB })], takes: /needs .* has / },
};
for (const [name, { disks, wipe = false, takes }] of Object.entries(AUTO)) {
  test(`auto takes ${name}`, () => {
    const choose = () => chooseAutomatically(disks, { needed: 10 * GB, wipe });
    if (typeof takes !== "string") {
      const { code, hint } = caught(choose);
      assert.equal(code, "DEVICE_MISSING");
      return assert.match(hint ?? "", takes);
    }
    const { disk: taken, rule } = choose();
    assert.equal(taken.path, takes);
    assert.match(rule, new RegExp(`^auto: .*${takes}`));
  });
}

test("auto asks whoever knows more reasons", () => {
  const disks = [disk("sda", { size: 20 * GB }), disk("sdb")];
  const refusals = ({ path }: FlashTarget) => (path === "/dev/sda" ? [{ message: "it is the medium" }] : []);
  assert.equal(chooseAutomatically(disks, { needed: GB, wipe: true, refusals }).disk.path, "/dev/sdb");
});

function caught(body: () => unknown): AppError {
  try {
    body();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}
