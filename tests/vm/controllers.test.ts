import { suite, test } from "node:test";
import { CONTROLLERS } from "../../src/vm/options.ts";
import { FULL, inTurn, oneOf } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";

/** The cloud kernel has no driver for USB disks; the full kernel's image takes longer to make. */
const KERNELS = {
  cloud: CONTROLLERS.filter((controller) => controller !== "usb-storage" && controller !== "ahci"),
  // virtio-blk and NVMe boot at every change elsewhere.
  full: FULL ? CONTROLLERS : oneOf(["virtio-scsi", "ahci", "usb-storage"] as const),
};

suite("the initrd finds its disk", { concurrency: 2, skip: inTurn(2) }, () => {
  for (const kernel of FULL ? (["cloud", "full"] as const) : (["full"] as const)) {
    for (const controller of KERNELS[kernel]) {
      for (const sectorSize of controller === "ahci" ? ([512] as const) : FULL ? ([512, 4096] as const) : ([4096] as const)) {
        test(`on ${controller} with ${sectorSize}-byte sectors and the ${kernel} kernel`, async () => {
          const made = await fixture({ kernel });
          await using booted = await machine(made, { slot: "a", disk: { controller, sectorSize } });
          await booted.vm.waitForConsole("petrify: slot a: petrify-test");
        });
      }
    }
  }
});
