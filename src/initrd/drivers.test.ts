import assert from "node:assert/strict";
import { test } from "node:test";
import { openDrivers } from "./drivers.ts";
import { fakeSys, type FakeSys } from "./fake-sys.ts";

const index = {
  modules: {
    ahci: { file: "kernel/ahci.ko", after: ["scsi_mod", "libata", "libahci"] },
    libata: { file: "kernel/libata.ko", after: ["scsi_mod"] },
    libahci: { file: "kernel/libahci.ko", after: ["scsi_mod", "libata"] },
    scsi_mod: { file: "kernel/scsi_mod.ko", after: [] },
    sd_mod: { file: "kernel/sd_mod.ko", after: ["scsi_mod"] },
    loop: { file: "kernel/loop.ko", after: [] },
    crc32c_intel: { file: "kernel/crc32c-intel.ko", after: [] },
  },
  aliases: [
    ["pci:v*d*sv*sd*bc01sc06i01*", "ahci"],
    ["scsi:t-0x00*", "sd_mod"],
    ["cpu:type:x86,ven*fam*mod*:feature:*0094*", "crc32c_intel"],
  ],
  always: ["loop"],
  verityOptions: [],
};
const machine = (): FakeSys =>
  fakeSys({
    "/lib/modules/index.json": JSON.stringify(index),
    "/sys/devices/system/cpu/modalias": "cpu:type:x86,ven0000fam0006mod000F:feature:,0000,0094\n",
    "/sys/bus/pci/devices/0000:00:1f.2/modalias": "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01\n",
    "/sys/bus/pci/devices/0000:00:02.0/modalias": "pci:v00001234d00001111sv00001AF4sd00001100bc03sc00i00\n",
  });
const loaded = (sys: FakeSys): string[] => sys.done.map((line) => line.replace(/^load \/lib\/modules\/kernel\/(.*)\.ko$/, "$1"));

test("a device's driver is loaded after what it needs, and nothing is loaded for a device without one", () => {
  const sys = machine();
  openDrivers(sys).loadForDevices();
  assert.deepEqual(loaded(sys), ["crc32c-intel", "scsi_mod", "libata", "libahci", "ahci"]);
});

test("devices that a driver brings get theirs in the same call", () => {
  const sys = machine();
  sys.react = (line) => {
    if (line.endsWith("/ahci.ko")) sys.files.set("/sys/bus/scsi/devices/0:0:0:0/modalias", "scsi:t-0x00\n");
  };
  openDrivers(sys).loadForDevices();
  assert.deepEqual(loaded(sys).slice(-2), ["ahci", "sd_mod"]);
});

test("devices that come later get theirs at the next call, and nothing is loaded twice", () => {
  const sys = machine();
  const drivers = openDrivers(sys);
  drivers.loadForDevices();
  const before = sys.done.length;
  drivers.loadForDevices();
  assert.equal(sys.done.length, before);
  sys.files.set("/sys/bus/scsi/devices/0:0:0:0/modalias", "scsi:t-0x00\n");
  drivers.loadForDevices();
  assert.deepEqual(loaded(sys).slice(before), ["sd_mod"]);
});

test("what every machine needs is loaded without a device, loop devices to be made when they are asked for", () => {
  const sys = machine();
  openDrivers(sys).loadAlways();
  assert.deepEqual(sys.done, ["load /lib/modules/kernel/loop.ko max_loop=0"]);
});

test("a driver that refuses to start is remembered with the kernel's word, and the others go on", () => {
  const sys = machine();
  sys.refuses.set("load /lib/modules/kernel/crc32c-intel.ko", 19);
  const drivers = openDrivers(sys);
  drivers.loadForDevices();
  assert.deepEqual(drivers.refused, ["crc32c_intel (errno 19)"]);
  assert.deepEqual(loaded(sys), ["scsi_mod", "libata", "libahci", "ahci"]);
});
