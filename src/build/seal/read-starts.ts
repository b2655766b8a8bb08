import type { RootFs } from "../../host/rootfs.ts";
import {
  cronStarts,
  dbusStarts,
  formatStarts,
  moduleStarts,
  tmpfilesStarts,
  udevStarts,
  unitStarts,
  type Start,
  type TextFile,
} from "./starts.ts";
import { loadUnits } from "./unit-files.ts";

/** A kind of file with the folders that it is read from, in the order in which one hides another of its name. */
interface Place {
  readonly folders: readonly string[];
  readonly suffix: string;
  readonly starts: (file: TextFile) => Start[];
}

const PLACES: readonly Place[] = [
  { folders: ["/etc/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d"], suffix: ".rules", starts: udevStarts },
  { folders: ["/etc/tmpfiles.d", "/usr/lib/tmpfiles.d"], suffix: ".conf", starts: tmpfilesStarts },
  { folders: ["/etc/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"], suffix: ".conf", starts: moduleStarts },
  { folders: ["/etc/binfmt.d", "/usr/lib/binfmt.d"], suffix: ".conf", starts: formatStarts },
  { folders: ["/usr/share/dbus-1/system-services"], suffix: ".service", starts: dbusStarts },
];
const CRON = ["/usr/sbin/cron", "/usr/sbin/crond", "/usr/sbin/anacron"];

/** Every program that a file of the image has started. */
export async function readStarts(fs: RootFs): Promise<Start[]> {
  const found = (await loadUnits(fs)).flatMap(({ files }) => unitStarts(files));
  for (const { folders, suffix, starts } of PLACES) {
    const seen = new Set<string>();
    for (const folder of folders) {
      for (const name of await fs.list(folder)) {
        if (!name.endsWith(suffix) || seen.has(name)) continue;
        seen.add(name);
        found.push(...(await startsOf(fs, `${folder}/${name}`, starts)));
      }
    }
  }
  if ((await Promise.all(CRON.map(async (program) => await fs.exists(program)))).includes(true)) {
    const tables = ["/etc/crontab", "/etc/anacrontab", ...(await fs.list("/etc/cron.d")).map((name) => `/etc/cron.d/${name}`)];
    for (const path of tables) found.push(...(await startsOf(fs, path, cronStarts)));
  }
  return found;
}

async function startsOf(fs: RootFs, path: string, starts: (file: TextFile) => Start[]): Promise<Start[]> {
  const real = (await fs.resolve(path)).slice(fs.folder.length);
  if (real === "/dev/null") return [];
  const text = await fs.read(path);
  return text === undefined ? [] : starts({ path, text });
}
