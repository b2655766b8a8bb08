import type { PackageInputs } from "./packages.ts";
import type { SuiteSource } from "../config/base.ts";
import type { Recipe } from "../config/recipe.ts";
import { namedInit } from "../config/unit-problems.ts";

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
export const KERNEL_PACKAGE = { cloud: "linux-image-cloud-amd64", full: "linux-image-amd64" } as const;
const MICROCODE = { intel: "intel-microcode", amd: "amd64-microcode" } as const;

/** Everything that a recipe asks the archive of its base for, by name. */
export function packageInputs(base: SuiteSource, recipe: Recipe): PackageInputs {
  const { packages, kernel, firmware } = recipe;
  const extra = [...firmware.packages, ...firmware.microcode.map((vendor) => MICROCODE[vendor])];
  const kernelPackages = kernel.flavour === "none" ? [] : [KERNEL_PACKAGE[kernel.flavour]];
  return {
    suite: base.suite,
    mirror: base.mirror,
    allowExpired: base.allowExpired,
    components: [...new Set([...base.components, ...(extra.length > 0 ? ["non-free-firmware"] : [])])],
    names: [...new Set([...INIT[namedInit(recipe) ?? "systemd"], ...ALWAYS, ...kernelPackages, ...packages, ...extra])],
  };
}
