/** Machine configs in a folder of the machine's own. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isConfigName, isNearlyConfigName } from "../../layout/config-sources.ts";
import { MACHINE_CONFIG_LIMIT } from "../../layout/machine-config-place.ts";
import { readHead } from "../files.ts";

/** A file of it, or why it is not read. */
export type FolderFile = { readonly path: string } & ({ readonly bytes: Uint8Array } | { readonly problem: string });

const MAX_FILES = 200;

/** By name. Nothing where there is no such folder; what is no config by its name is others'. */
export async function readConfigFolder(folder: string): Promise<readonly FolderFile[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    return error;
  });
  if (names instanceof Error) return [{ path: folder, problem: `cannot be read: ${names.message}` }];
  const files: FolderFile[] = [];
  const configs = names.filter(isConfigName).toSorted();
  for (const name of configs.slice(0, MAX_FILES)) {
    const path = join(folder, name);
    // One byte more than is taken, so that what is too long is refused as such.
    const bytes = await readHead(path, MACHINE_CONFIG_LIMIT + 1).catch((error: Error) => error);
    if (bytes instanceof Uint8Array) files.push({ path, bytes });
    else files.push({ path, problem: `cannot be read: ${bytes?.message ?? "it is no file"}` });
  }
  if (configs.length > MAX_FILES)
    files.push({ path: folder, problem: `has more than ${MAX_FILES} machine configs: the rest is left out` });
  for (const name of names.filter((one) => isNearlyConfigName(one) && !isConfigName(one)).slice(0, 10))
    files.push({ path: folder, problem: `${shown(name)} is not read: its name may have letters, digits and _ . + @ - only` });
  return files;
}

/** Whatever a name may do to a terminal. */
const shown = (name: string): string => JSON.stringify(name.slice(0, 60).replaceAll(/[^\x20-\x7e]/g, "?"));
