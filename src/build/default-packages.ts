import type { PackageInputs } from "./packages.ts";
import type { Recipe } from "../config/recipe.ts";

/** What every image has besides the suite's essential packages: an init, its device manager, logins, fsck for the data partitions. */
const ALWAYS = ["systemd", "systemd-sysv", "udev", "dbus", "kmod", "mount", "login", "passwd", "e2fsprogs"];
const KERNEL = { cloud: "linux-image-cloud-amd64", full: "linux-image-amd64", none: undefined } as const;
const MICROCODE = { intel: "intel-microcode", amd: "amd64-microcode" } as const;

/** Everything that the recipe asks the archive for, by name. */
export function packageInputs({ base, packages, kernel, firmware }: Recipe): PackageInputs {
  const extra = [...firmware.packages, ...firmware.microcode.map((vendor) => MICROCODE[vendor])];
  const kernelPackage = KERNEL[kernel.flavour];
  return {
    suite: base.suite,
    mirror: base.mirror,
    allowExpired: base.allowExpired,
    components: [...new Set([...base.components, ...(extra.length > 0 ? ["non-free-firmware"] : [])])],
    names: [...new Set([...ALWAYS, ...(kernelPackage ? [kernelPackage] : []), ...packages, ...extra])],
  };
}
