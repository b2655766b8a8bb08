import assert from "node:assert/strict";
import { test } from "node:test";
import { modulesToLoad } from "./modules.ts";

const KERNEL = new Set(["nf_tables", "nft_masq", "xt_mark", "overlay", "veth", "wireguard", "dm_crypt"]);

for (const [what, programs, wanted, expected] of [
  ["no program that loads any", ["/usr/bin/ls"], [], []],
  ["a firewall", ["/usr/sbin/nft"], [], ["nf_tables", "nft_masq", "xt_mark"]],
  ["containers", ["/usr/bin/podman"], [], ["nf_tables", "nft_masq", "overlay", "veth", "xt_mark"]],
  ["what the recipe wants, in either spelling", ["/usr/bin/wg"], ["dm-crypt", "veth"], ["dm_crypt", "veth", "wireguard"]],
] as const)
  test(`of an image with ${what}`, () => assert.deepEqual(modulesToLoad(programs, KERNEL, wanted), expected));

test("a module that the kernel does not have is refused where the recipe wants it", () => {
  assert.throws(() => modulesToLoad([], KERNEL, ["nosuch"]), { code: "KERNEL_MODULE_UNKNOWN" });
});
