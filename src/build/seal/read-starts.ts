import type { RootFs } from "../../host/rootfs.ts";
import { CRON_PROGRAMS, CRON_TABLES, START_PLACES } from "../../layout/start-places.ts";
import { cronStarts, unitStarts, type Start, type TextFile } from "../../layout/starts.ts";
import { loadUnits } from "./unit-files.ts";

/** Every program that a file of the image has started. */
export async function readStarts(fs: RootFs): Promise<Start[]> {
  const found = (await loadUnits(fs)).flatMap(({ files }) => unitStarts(files));
  for (const { folders, suffix, starts } of START_PLACES) {
    const seen = new Set<string>();
    for (const folder of folders) {
      for (const name of await fs.list(folder)) {
        if (!name.endsWith(suffix) || seen.has(name)) continue;
        seen.add(name);
        found.push(...(await startsOf(fs, `${folder}/${name}`, starts)));
      }
    }
  }
  if ((await Promise.all(CRON_PROGRAMS.map(async (program) => await fs.exists(program)))).includes(true)) {
    const tables = [...CRON_TABLES, ...(await fs.list("/etc/cron.d")).map((name) => `/etc/cron.d/${name}`)];
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
