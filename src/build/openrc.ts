/** Services of an image whose init is OpenRC: what setUnits of tree.ts is for systemd. docs/concepts/init.md */
import { AppError } from "../core/error.ts";
import type { Recipe } from "../config/recipe.ts";
import { openrcService } from "../config/words.ts";
import type { RootFs } from "../host/rootfs.ts";

const SERVICES = "/etc/init.d";
const RUNLEVELS = "/etc/runlevels";

/**
 * Scripts of the distribution that have no work on an image-based system, or do harm. A recipe that enables one of them gets it.
 */
const IDLE: readonly string[] = [
  // petrify-data does their work. They ask a person when something is damaged, and would make the root writable.
  ...["checkroot.sh", "checkfs.sh", "mountall.sh", "mountnfs.sh"],
  // They empty folders that are a tmpfs.
  ...["checkroot-bootclean.sh", "mountall-bootclean.sh", "mountnfs-bootclean.sh"],
  // Keeps what OpenRC knows of its services in /usr.
  "savecache",
  // They would set the clock to the hardware's or to a file's time, which may be before the last one that the machine has stored.
  ...["hwclock", "swclock", "osclock"],
];
/** OpenRC's own scripts for what petrify-data does, and whose names it provides: two services of one name would be one too many. */
const REPLACED = ["root", "fsck", "localmount", "mtab"] as const;

/** petrify's defaults, then the recipe. @throws AppError `UNIT_UNKNOWN` */
export async function setServices(fs: RootFs, { units }: Recipe): Promise<void> {
  const [enable, disable] = [units.enable, units.disable].map((names) => names.map(openrcService)) as [string[], string[]];
  const runlevels = await fs.list(RUNLEVELS);
  const stopStarting = async (name: string): Promise<void> => {
    for (const runlevel of runlevels) await fs.remove(`${RUNLEVELS}/${runlevel}/${name}`);
  };
  for (const [verb, names] of [
    ["enable", enable],
    ["disable", disable],
  ] as const) {
    for (const name of names) {
      if (await fs.exists(`${SERVICES}/${name}`)) continue;
      throw new AppError("UNIT_UNKNOWN", `units.${verb}: the image has no service ${name}`, {
        hint: "Check the name, that its package is listed under `packages`, and that the package has a script in /etc/init.d.",
      });
    }
  }
  for (const name of IDLE) if (!enable.includes(name)) await stopStarting(name);
  for (const name of REPLACED) {
    await stopStarting(name);
    await fs.remove(`${SERVICES}/${name}`);
  }
  for (const name of disable) await stopStarting(name);
  for (const name of enable.filter((wanted) => !REPLACED.some((replaced) => replaced === wanted))) {
    const started = await Promise.all(
      runlevels.map(async (runlevel) => (await fs.list(`${RUNLEVELS}/${runlevel}`)).includes(name)),
    );
    if (!started.includes(true)) await fs.link(`${RUNLEVELS}/default/${name}`, `${SERVICES}/${name}`);
  }
}
