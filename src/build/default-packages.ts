import type { PackageInputs } from "./packages.ts";
import type { SuiteSource } from "../config/base.ts";
import type { Recipe } from "../config/recipe.ts";

/** What every image has besides the suite's essential packages and an init: a device manager, logins, fsck for the data partitions. */
const ALWAYS = ["udev", "dbus", "kmod", "mount", "login", "passwd", "e2fsprogs"];
const INIT = {
  systemd: ["systemd", "systemd-sysv"],
  // The standalone programs keep apt from taking systemd for udev and dbus, which ask for them; sysctl is in procps,
  // and ifupdown gives the machine its own address, 127.0.0.1.
  openrc: [
    ...["openrc", "sysvinit-core", "orphan-sysvinit-scripts", "procps", "ifupdown"],
    ...["systemd-standalone-sysusers", "systemd-standalone-tmpfiles"],
  ],
} as const;
const KERNEL = { cloud: "linux-image-cloud-amd64", full: "linux-image-amd64", none: undefined } as const;
const MICROCODE = { intel: "intel-microcode", amd: "amd64-microcode" } as const;

/** Everything that a recipe asks the archive of its base for, by name. */
export function packageInputs(base: SuiteSource, { init, packages, kernel, firmware }: Recipe): PackageInputs {
  const extra = [...firmware.packages, ...firmware.microcode.map((vendor) => MICROCODE[vendor])];
  const kernelPackage = KERNEL[kernel.flavour];
  return {
    suite: base.suite,
    mirror: base.mirror,
    allowExpired: base.allowExpired,
    components: [...new Set([...base.components, ...(extra.length > 0 ? ["non-free-firmware"] : [])])],
    names: [...new Set([...INIT[init], ...ALWAYS, ...(kernelPackage ? [kernelPackage] : []), ...packages, ...extra])],
  };
}
