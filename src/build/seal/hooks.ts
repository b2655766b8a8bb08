/** Folders whose files somebody runs by themselves, one after the other. */
import type { RootFs } from "../../host/rootfs.ts";
import { HOOK_FOLDERS, RC_FOLDERS, unreplacedServices } from "../../layout/hook-folders.ts";
import { unitFolders } from "../default-units.ts";
import { OWN_UNITS } from "./unit-files.ts";

/** Those that the image runs. */
export async function hookFolders(fs: RootFs): Promise<string[]> {
  const found: string[] = [];
  for (const [runBy, folders] of HOOK_FOLDERS) {
    const isRun = (await Promise.all(runBy.map(async (program) => await fs.exists(program)))).includes(true);
    if (isRun) found.push(...folders);
  }
  return found;
}

/** Services of System V that would be started, and that no unit has replaced. Source: systemd-sysv-generator(8) */
export async function servicesWithoutUnits(fs: RootFs): Promise<string[]> {
  const links: string[] = [];
  for (const folder of RC_FOLDERS) links.push(...(await fs.list(folder)));
  const units = new Set<string>();
  for (const folder of [OWN_UNITS, ...(await unitFolders(fs))]) for (const name of await fs.list(folder)) units.add(name);
  return unreplacedServices(links, units);
}
