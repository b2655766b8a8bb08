import assert from "node:assert/strict";
import { test } from "node:test";
import { MiB } from "../core/units.ts";
import { CONTROLLERS, type VmOptions } from "./options.ts";
import { qemuArgv } from "./qemu-argv.ts";

const DISK = { path: "/somewhere/disk.raw", format: "raw" } as const;
const line = (options: Partial<VmOptions>): string => qemuArgv({ disks: [DISK], ...options }).join(" ");

const cases: readonly { name: string; options: Partial<VmOptions>; has: readonly string[]; lacks?: readonly string[] }[] = [
  {
    name: "by default a BIOS machine under software emulation with a throw-away disk that reaches no network",
    options: {},
    has: ["-machine q35 ", "-accel tcg -cpu max", "-smp 1 -m 1024M", '"driver":"qcow2"', "restrict=on", "reboot=reset"],
    lacks: ["pflash", "hostfwd", "-kernel", "virtserialport", "/vm/disk0"],
  },
  {
    name: "KVM gives the guest the host's processor",
    options: { accelerator: "kvm", cpus: 4, memory: 512 * MiB },
    has: ["-accel kvm -cpu host", "-smp 4 -m 512M"],
  },
  {
    name: "UEFI takes the firmware read-only and variables of its own",
    options: { firmware: "uefi" },
    has: [
      "q35,pflash0=firmware,pflash1=variables",
      '"node-name":"firmware","read-only":true',
      '"node-name":"variables","read-only":false',
    ],
  },
  {
    name: "a disk that is kept is opened in its own format and flushed",
    options: { disks: [{ ...DISK, writes: "keep" }] },
    has: ['"driver":"raw","node-name":"disk0"', '"no-flush":false', '"filename":"/vm/disk0"'],
    lacks: ["overlay", "disk0.qcow2"],
  },
  {
    name: "a CD is in a drive, behind the disk that is tried first, and cannot be written to",
    options: { disks: [DISK, { ...DISK, controller: "cd" }] },
    has: ["-device ide-cd,bus=ide.1,drive=disk1,bootindex=2", '"node-name":"disk1","discard":"unmap","read-only":true'],
    lacks: ["ide-hd"],
  },
  {
    name: "a disk of an NBD server has neither a file nor an overlay",
    options: { disks: [{ path: "/somewhere/socket", format: "nbd", controller: "nvme" }] },
    has: ['"driver":"nbd","node-name":"disk0","server":{"type":"unix","path":"/vm/disk0"}', "-device nvme,drive=disk0"],
    lacks: ["overlay", '"driver":"file"', "/somewhere"],
  },
  {
    name: "blocks that cannot be read fail every time with an I/O error",
    options: { disks: [{ ...DISK, unreadable: [4096, 1024 * 1024] }] },
    has: [
      '"driver":"blkdebug","node-name":"disk0","image":"disk0-image"',
      '"errno":5,"sector":8,"once":false',
      '"sector":2048',
      "drive=disk0",
    ],
  },
  {
    name: "blocks that cannot be written fail when they are written, and no others",
    options: { disks: [{ ...DISK, unwritable: [4096] }] },
    has: ['"iotype":"write","errno":5,"sector":8,"once":false', "drive=disk0"],
    lacks: ['"iotype":"read"'],
  },
  {
    name: "a kernel of the host is booted without a loader",
    options: { kernel: { path: "/k", initrd: "/i", cmdline: "console=ttyS0 quiet" } },
    has: ["-kernel /vm/kernel -append console=ttyS0 quiet -initrd /vm/initrd"],
  },
  {
    name: "forwarded ports are reached on the loopback address only",
    options: { forwards: [{ host: 2222, guest: 22 }] },
    has: ["restrict=on,hostfwd=tcp:127.0.0.1:2222-:22"],
  },
  { name: "an online guest is not restricted", options: { online: true }, has: ["restrict=off"], lacks: ["restrict=on"] },
  {
    name: "ports beside the console get a socket each",
    options: { ports: ["one", "two"] },
    has: ["socket,id=port0,fd=5", "chardev=port0,name=one", "socket,id=port1,fd=6", "chardev=port1,name=two"],
  },
  { name: "a reboot may end the VM", options: { endOnReboot: true }, has: ["-action watchdog=reset,reboot=shutdown"] },
];

for (const { name, options, has, lacks = [] } of cases) {
  test(name, () => {
    const text = line(options);
    for (const part of has) assert.ok(text.includes(part), `${part} is not in ${text}`);
    for (const part of lacks) assert.ok(!text.includes(part), `${part} is in ${text}`);
  });
}

test("each controller is one the guest needs another driver for", () => {
  const devices = CONTROLLERS.map(
    (controller) => /-device (\S+?),\S*drive=disk0/.exec(line({ disks: [{ ...DISK, controller }] }))?.[1],
  );
  assert.deepEqual(devices, ["virtio-blk-pci", "scsi-hd", "ide-hd", "nvme", "usb-storage"]);
});

test("4096-byte sectors reach every controller that knows them", () => {
  for (const controller of CONTROLLERS) {
    const text = line({ disks: [{ ...DISK, controller, sectorSize: 4096 }] });
    assert.equal(text.includes("logical_block_size=4096,physical_block_size=4096"), controller !== "ahci", controller);
  }
});

test("several disks never share a node, a bus or a place in the boot order", () => {
  const disks = CONTROLLERS.map((controller) => ({ ...DISK, controller }));
  const argv = qemuArgv({ disks });
  for (const pattern of [/bootindex=(\d+)/, /serial=(\w+)/, /,id=(bus\d+)/]) {
    const found = argv.map((word) => pattern.exec(word)?.[1]).filter((value) => value !== undefined);
    assert.ok(found.length > 1);
    assert.equal(new Set(found).size, found.length, String(pattern));
  }
});
