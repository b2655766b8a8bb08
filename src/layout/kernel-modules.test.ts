import assert from "node:assert/strict";
import { test } from "node:test";
import { indexModules, plainModulePath } from "./kernel-modules.ts";

const files = {
  dep: [
    "kernel/drivers/block/loop.ko.xz:",
    "kernel/drivers/md/dm-mod.ko.xz: kernel/drivers/dax/dax.ko.xz",
    "kernel/drivers/md/dm-bufio.ko.xz: kernel/drivers/md/dm-mod.ko.xz kernel/drivers/dax/dax.ko.xz",
    // last first: dax is loaded before dm-mod
    "kernel/drivers/md/dm-verity.ko.xz: kernel/drivers/md/dm-bufio.ko.xz kernel/drivers/md/dm-mod.ko.xz kernel/drivers/dax/dax.ko.xz",
    "kernel/drivers/dax/dax.ko.xz:",
    "kernel/fs/ext4/ext4.ko.zst: kernel/fs/jbd2/jbd2.ko.zst",
    "kernel/fs/jbd2/jbd2.ko.zst:",
    "kernel/crypto/crc32c_generic.ko:",
    "kernel/arch/x86/crypto/crc32c-intel.ko:",
    "kernel/drivers/usb/host/xhci-pci.ko: kernel/drivers/usb/host/xhci-hcd.ko",
    "kernel/drivers/usb/host/xhci-hcd.ko:",
    "kernel/drivers/usb/host/xhci-pci-renesas.ko:",
    "kernel/sound/snd.ko:",
  ].join("\n"),
  alias: [
    "# Aliases extracted from modules themselves.",
    "alias crc32c crc32c_generic",
    "alias crc32c crc32c_intel",
    "alias cpu:type:x86,ven*fam*mod*:feature:*0094* crc32c_intel",
    "alias pci:v*d*sv*sd*bc0Csc03i30* xhci-pci",
    "alias pci:v*d*sv*sd*bc04sc03i* snd",
    "alias fs-ext4 ext4",
  ].join("\n"),
  softdep: [
    "softdep ext4 pre: crc32c",
    "softdep xhci_pci pre: xhci_pci_renesas post: snd",
    "softdep crc32c_intel pre: ext4",
  ].join("\n"),
};
const index = indexModules(files, ["xhci-pci", "crc32c_intel", "built_in_elsewhere"], ["dm-verity", "loop", "ext4", "erofs"]);

test("dependencies come before what needs them, in the order of loading", () => {
  assert.deepEqual(index.modules["dm_verity"], { file: "kernel/drivers/md/dm-verity.ko", after: ["dax", "dm_mod", "dm_bufio"] });
});

test("a soft dependency may be an alias of several modules, and may go in circles", () => {
  assert.deepEqual(index.modules["ext4"], { file: "kernel/fs/ext4/ext4.ko", after: ["crc32c_generic", "crc32c_intel", "jbd2"] });
});

test("what comes after a module is not asked for", () => {
  assert.deepEqual(index.modules["xhci_pci"]!.after, ["xhci_pci_renesas", "xhci_hcd"]);
  assert.equal("snd" in index.modules, false);
});

test("names that are no modules of this kernel are passed over", () => {
  assert.deepEqual(index.always, ["dm_verity", "loop", "ext4"]);
  assert.equal("built_in_elsewhere" in index.modules, false);
});

test("aliases are those of devices, for wanted modules only", () => {
  assert.deepEqual(index.aliases, [
    ["cpu:type:x86,ven*fam*mod*:feature:*0094*", "crc32c_intel"],
    ["pci:v*d*sv*sd*bc0Csc03i30*", "xhci_pci"],
  ]);
});

test("every module that is to be loaded before another is in the index", () => {
  for (const { after } of Object.values(index.modules)) for (const name of after) assert.ok(name in index.modules, name);
});

test("the index does not depend on the order of depmod's lines", () => {
  const reversed = { ...files, dep: files.dep.split("\n").toReversed().join("\n") };
  assert.equal(
    JSON.stringify(indexModules(reversed, ["xhci-pci", "crc32c_intel"], ["dm-verity", "loop", "ext4"])),
    JSON.stringify(indexModules(files, ["xhci-pci", "crc32c_intel"], ["dm-verity", "loop", "ext4"])),
  );
});

for (const suffix of ["", ".xz", ".zst", ".gz"]) {
  test(`a module stored as .ko${suffix} is plain in the initrd`, () => {
    assert.equal(plainModulePath(`kernel/fs/x.ko${suffix}`), "kernel/fs/x.ko");
  });
}
