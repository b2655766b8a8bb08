import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseNoRam } from "./netboot.ts";

test("a kernel that cannot unpack an image in memory is refused with its option, before anything is made for that", () => {
  const version = "5.4.0";
  assert.throws(() => refuseNoRam({ version, config: "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_XZ=y\n" }), {
    code: "KERNEL_UNFIT",
    message: /^the kernel 5\.4\.0 cannot boot from memory: .*CONFIG_RD_ZSTD/,
    hint: /--output/,
  });
  for (const config of [undefined, "CONFIG_RD_ZSTD=y\n"]) refuseNoRam({ version, config });
});
