import assert from "node:assert/strict";
import { test } from "node:test";
import { GiB } from "../core/units.ts";
import { describeTarget, refusalsOf, type FlashTarget } from "./flash-target.ts";

const STICK: FlashTarget = {
  ...{ path: "/dev/sdb", kind: "disk", size: 8 * GiB, sectorSize: 512, readOnly: false, removable: true, transport: "usb" },
  ...{ model: "Flash Drive", serial: "0123", mounts: [], holders: [], loops: [], isBusy: false, isAllowed: true, found: [] },
};
const on = (device: string, at: string) => ({ device, at });

const REFUSED: readonly (readonly [what: string, about: Partial<FlashTarget>, codes: string[], says: RegExp])[] = [
  [
    "a partition",
    { kind: "partition", disk: "/dev/sda" },
    ["DEVICE_IS_PARTITION"],
    /partition of \/dev\/sda.*Name the disk: \/dev\/sda\./,
  ],
  ["the install medium", { isMedium: true }, ["DEVICE_IS_MEDIUM"], /medium that this system was started from/],
  ["a volume of LVM", { kind: "other" }, ["DEVICE_NOT_A_DISK"], /no disk/],
  [
    "the system's disk",
    { mounts: [on("/dev/sdb1", "/boot/efi"), on("/dev/mapper/x", "/")] },
    ["DEVICE_IS_SYSTEM_DISK"],
    /\/dev\/sdb1 at \/boot\/efi, \/dev\/mapper\/x at \//,
  ],
  [
    "a mounted disk",
    { mounts: [on("/dev/sdb1", "/media/x")] },
    ["DEVICE_MOUNTED"],
    /\/dev\/sdb1 at \/media\/x.*umount \/dev\/sdb1/,
  ],
  ["a disk with swap", { mounts: [on("/dev/sdb2", "[SWAP]")] }, ["DEVICE_IS_SWAP"], /swapoff \/dev\/sdb2/],
  ["one path of several", { holders: [{ device: "/dev/mapper/mpatha", type: "mpath" }] }, ["DEVICE_IS_MULTIPATH"], /mpatha/],
  [
    "a disk of a volume group",
    { holders: [{ device: "/dev/mapper/vg-x", type: "lvm" }] },
    ["DEVICE_HELD"],
    /vg-x \(lvm\) is made of it/,
  ],
  ["what a loop device shows", { loops: ["/dev/loop3"] }, ["DEVICE_HELD"], /\/dev\/loop3 shows it/],
  ["a disk that the kernel holds", { isBusy: true }, ["DEVICE_BUSY"], /in use/],
  ["a mounted disk, said once", { isBusy: true, mounts: [on("/dev/sdb", "/mnt")] }, ["DEVICE_MOUNTED"], /\/mnt/],
  ["a write-protected disk", { readOnly: true }, ["DEVICE_READ_ONLY"], /write-protected/],
  ["a reader without a card", { size: 0 }, ["DEVICE_EMPTY"], /no medium/],
  [
    "a small disk",
    { size: 2 * GiB },
    ["DISK_TOO_SMALL"],
    /needs 4 GiB \(4294967296 bytes\), and \/dev\/sdb has 2 GiB \(2147483648 bytes\)/,
  ],
  ["somebody else's disk", { isAllowed: false }, ["DEVICE_DENIED"], /may not write.*root/],
  ["a failing disk", { failing: "it cannot be read at 1 MiB (EIO)" }, ["DEVICE_FAILING"], /cannot be read at 1 MiB \(EIO\)/],
  ["a disk with data", { found: ['ext4 "photos"', "swap"] }, ["DEVICE_HOLDS_DATA"], /ext4 "photos"; swap.*--wipe/],
  [
    "all of it",
    { mounts: [on("/dev/sdb", "/mnt")], readOnly: true, found: ["ext4"] },
    ["DEVICE_MOUNTED", "DEVICE_READ_ONLY", "DEVICE_HOLDS_DATA"],
    /\/mnt/,
  ],
];
for (const [what, about, codes, says] of REFUSED) {
  test(`${what} is refused with the reason`, () => {
    const refusals = refusalsOf({ ...STICK, ...about }, { needed: 4 * GiB, wipe: false });
    assert.deepEqual(
      refusals.map(({ code }) => code),
      codes,
    );
    assert.match(`${refusals[0]!.message} ${refusals[0]!.hint}`, says);
  });
  test(`${what} with --wipe: only data may be lost`, () => {
    const refusals = refusalsOf({ ...STICK, ...about }, { needed: 4 * GiB, wipe: true });
    assert.deepEqual(
      refusals.map(({ code }) => code),
      codes.filter((code) => code !== "DEVICE_HOLDS_DATA"),
    );
  });
}

test("a blank disk that is large enough is taken", () => {
  assert.deepEqual(refusalsOf(STICK, { needed: 8 * GiB, wipe: false }), []);
});

test("a disk is described as people tell it from others", () => {
  assert.equal(describeTarget(STICK), "/dev/sdb (Flash Drive, serial 0123, usb, removable, 8 GiB)");
});
