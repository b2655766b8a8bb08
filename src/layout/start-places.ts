/** @portable Where the files of an image lie that have programs started. */
import { dbusStarts, formatStarts, moduleStarts, tmpfilesStarts, udevStarts, type Start, type TextFile } from "./starts.ts";

/** A kind of file with the folders that it is read from, in the order in which one hides another of its name. */
interface StartPlace {
  readonly folders: readonly string[];
  readonly suffix: string;
  readonly starts: (file: TextFile) => Start[];
}

export const UDEV_RULES: StartPlace = {
  folders: ["/etc/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d"],
  suffix: ".rules",
  starts: udevStarts,
};
export const START_PLACES: readonly StartPlace[] = [
  UDEV_RULES,
  { folders: ["/etc/tmpfiles.d", "/usr/lib/tmpfiles.d"], suffix: ".conf", starts: tmpfilesStarts },
  { folders: ["/etc/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"], suffix: ".conf", starts: moduleStarts },
  { folders: ["/etc/binfmt.d", "/usr/lib/binfmt.d"], suffix: ".conf", starts: formatStarts },
  { folders: ["/usr/share/dbus-1/system-services"], suffix: ".service", starts: dbusStarts },
];
/** One of them reads the tables, and runs what lies in its folders. */
export const CRON_PROGRAMS = ["/usr/sbin/cron", "/usr/sbin/crond", "/usr/sbin/anacron"] as const;
/** Besides those in `/etc/cron.d`. */
export const CRON_TABLES = ["/etc/crontab", "/etc/anacrontab"] as const;
