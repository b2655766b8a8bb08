/** Disks and installations for people. Pure. */
import { formatSize } from "../core/units.ts";
import { describeTarget } from "../layout/flash-target.ts";
import type { AfterInstall, InstallDisk, Installed, InstallPlan } from "../layout/install.ts";

const WIDTH = 11;
const INDENT = "  ";
const row = (name: string, text: string): string => `${name.padEnd(WIDTH)}${text}`;

/** Each disk in a line, below it what is on it and what speaks against it. */
export function disksText(disks: readonly InstallDisk[]): string {
  if (disks.length === 0) return "There are no disks.";
  return disks
    .flatMap(({ target, refusals, installedFrom }) => {
      const others = refusals.filter(({ code }) => code !== "DEVICE_HOLDS_DATA");
      return [
        describeTarget(target),
        ...(target.found.length > 0 ? target.found.map((one) => `${INDENT}holds ${one}`) : [`${INDENT}blank`]),
        ...(installedFrom === undefined ? [] : [`${INDENT}installed by itself, from ${installedFrom}`]),
        ...others.map(({ message }) => `${INDENT}not possible: ${message}`),
        ...(others.length === 0 && target.found.length > 0 ? [`${INDENT}only with --wipe`] : []),
      ];
    })
    .join("\n");
}

export function planText(
  { disk: { target }, rule, image, slotSize, needed }: InstallPlan,
  does: "installs" | "would install",
): string {
  return [
    `${does} ${image.name} ${image.version} (${formatSize(image.size)})`,
    row("to", describeTarget(target)),
    row("", rule),
    row("slots", `two of ${formatSize(slotSize)}; the smallest disk for them has ${formatSize(needed)}`),
    ...target.found.map((one, index) => row(index === 0 ? "lost" : "", one)),
  ].join("\n");
}

const NEXT: Readonly<Record<AfterInstall, string>> = {
  reboot: "The machine restarts: remove the medium.",
  poweroff: "The machine turns off: remove the medium.",
  stay: "Restart the machine without the medium: petrify reboot.",
};

export function installedText({ disk, name, version, fingerprint, after, seconds }: Installed): string {
  return [`${disk} holds ${name} ${version}: installed in ${seconds} s.`, row("key", fingerprint), row("next", NEXT[after])].join(
    "\n",
  );
}
