import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { judgeKernel, moduleNames, unpacksRamImage, type KernelTraits } from "./kernel-features.ts";

const NAMES = ["loop", "dm_mod", "dm_verity", "erofs", "overlay", "ext4"];
const BUILTIN = ["block/loop", "md/dm-mod", "md/dm-verity", "fs/erofs", "fs/overlay", "fs/ext4"]
  .map((path) => `kernel/${path}.ko\n`)
  .join("");
const OPTIONS = ["BLK_DEV_LOOP", "BLK_DEV_DM", "DM_VERITY", "EROFS_FS", "OVERLAY_FS", "EXT4_FS"];
const BOOLEANS = ["BLK_DEV_INITRD", "DEVTMPFS", "TMPFS"].map((name) => `CONFIG_${name}=y\n`).join("");
const config = (value: string): string => OPTIONS.map((name) => `CONFIG_${name}=${value}\n`).join("") + BOOLEANS;
const none: KernelTraits = { modules: new Set(), builtin: undefined, config: undefined };

for (const [what, traits] of [
  ["modules", { ...none, modules: new Set(NAMES) }],
  ["modules.builtin", { ...none, builtin: BUILTIN }],
  ["its configuration", { ...none, config: config("y") }],
  ["some modules and some built in", { ...none, modules: new Set(NAMES.slice(0, 3)), builtin: BUILTIN }],
  ["modules that its configuration says are modules", { ...none, modules: new Set(NAMES), config: config("m") }],
] as const) {
  test(`a kernel can start an image by ${what}`, () => assert.deepEqual(judgeKernel(traits), { missing: [], unknown: [] }));
}

for (const [what, traits, missing] of [
  ["its module is not there", { ...none, modules: new Set(NAMES.slice(1)), builtin: "" }, ["loop devices (CONFIG_BLK_DEV_LOOP)"]],
  [
    "modules.builtin does not name it",
    { ...none, builtin: BUILTIN.replace("kernel/md/dm-verity.ko\n", "") },
    ["dm-verity (CONFIG_DM_VERITY)"],
  ],
  [
    "the configuration says so",
    { ...none, config: config("y").replace("CONFIG_EROFS_FS=y", "# CONFIG_EROFS_FS is not set") },
    ["EROFS (CONFIG_EROFS_FS)"],
  ],
  [
    "it is a module that was left out",
    { ...none, config: config("y").replace("OVERLAY_FS=y", "OVERLAY_FS=m") },
    ["overlayfs (CONFIG_OVERLAY_FS=m, but there is no such module)"],
  ],
  [
    "there is no initrd in its configuration",
    { ...none, config: config("y").replace("CONFIG_BLK_DEV_INITRD=y", "") },
    ["initrds (CONFIG_BLK_DEV_INITRD)"],
  ],
] as const) {
  test(`a kernel cannot when ${what}`, () => assert.deepEqual(judgeKernel(traits).missing, missing));
}

test("of a kernel without modules, list and configuration nothing is known, and nothing is claimed", () => {
  const { missing, unknown } = judgeKernel(none);
  assert.deepEqual([missing.length, unknown.length], [0, 6]);
});

for (const [what, text, unpacks] of [
  ["that says so", `${config("m")}CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n`, true],
  ["that denies it", `${config("m")}CONFIG_RD_GZIP=y\n# CONFIG_RD_ZSTD is not set\n`, false],
  ["from before there was the option", config("m"), false],
  ["that nobody has", undefined, undefined],
] as const) {
  test(`by a configuration ${what} a kernel ${unpacks ? "unpacks" : unpacks === undefined ? "may unpack" : "does not unpack"} an image in memory`, () =>
    assert.equal(unpacksRamImage(text), unpacks));
}

test("whatever the texts are, there is a judgement, and soon", () => {
  const line = fc.oneof(fc.string(), fc.constantFrom("kernel/a.ko:", "CONFIG_DM_VERITY=y", "CONFIG_TMPFS=m", "/", ":", ".ko"));
  const text = fc.array(line).map((lines) => lines.join("\n"));
  fc.assert(
    fc.property(text, text, (builtin, options) => {
      const { missing, unknown } = judgeKernel({ modules: moduleNames(builtin), builtin, config: options });
      assert.ok(missing.length <= 9 && unknown.length === 0);
    }),
  );
  const started = performance.now();
  judgeKernel({ modules: new Set(), builtin: "a".repeat(2_000_000), config: "\n ".repeat(1_000_000) });
  assert.ok(performance.now() - started < 5000);
});

test("modules are named by their files, however they are compressed", () => {
  const text = "kernel/a-b.ko.xz: kernel/c.ko\nkernel/d.ko.zst:\nkernel/e.ko\n\nkernel/f.txt:\n";
  assert.deepEqual([...moduleNames(text)], ["a_b", "d", "e"]);
});
