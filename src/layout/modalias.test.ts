import assert from "node:assert/strict";
import { test } from "node:test";
import { compileAliases, modulesFor } from "./modalias.ts";

const ahci = "pci:v*d*sv*sd*bc01sc06i01*";
const table = compileAliases([
  [ahci, "ahci"],
  ["pci:v00008086d00002922sv*sd*bc*sc*i*", "ahci"],
  ["virtio:d00000002v*", "virtio_blk"],
  ["usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*", "usb_storage"],
  ["usb:v0930p6545d000[1-3]dc*dsc*dp*ic*isc*ip*in*", "quirk"],
  ["cpu:type:x86,ven*fam*mod*:feature:*0094*", "crc32c_intel"],
  ["cpu:type:x86,ven*fam*mod*:feature:*00FF*", "other"],
  ["platform:iTCO-wdt", "iTCO_wdt"],
  ["acpi*:ACPI0003:*", "ac"],
  ["scsi:t-0x00*", "sd_mod"],
  ["x?z[ab", "never"],
]);

for (const [modalias, modules] of [
  ["pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", ["ahci"]],
  ["pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00", []],
  ["virtio:d00000002v00001AF4\n", ["virtio_blk"]],
  ["virtio:d00000012v00001AF4", []],
  ["usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00", ["usb_storage"]],
  ["usb:v0930p6545d0002dc00dsc00dp00ic08isc06ip50in00", ["usb_storage", "quirk"]],
  ["usb:v0930p6545d0004dc00dsc00dp00icFFisc06ip50in00", []],
  ["cpu:type:x86,ven0000fam0006mod000F:feature:,0000,0094,0101", ["crc32c_intel"]],
  ["platform:iTCO_wdt", ["iTCO_wdt"]],
  ["acpi:ACPI0003:", ["ac"]],
  ["acpi:ACPI0003", []],
  ["scsi:t-0x00", ["sd_mod"]],
  ["", []],
  ["xyz[ab", []],
] as const) {
  test(`${JSON.stringify(modalias)} is driven by ${modules.join(" and ") || "nothing"}`, () => {
    assert.deepEqual(modulesFor(table, modalias), modules);
  });
}

test("a pattern with many stars does not take forever", () => {
  const slow = compileAliases([[`a${"*a".repeat(40)}b`, "slow"]]);
  assert.deepEqual(modulesFor(slow, "a".repeat(2000)), []);
});
