/** Units of an image with the files that they are made of, as systemd would load them. Source: systemd.unit(5), "Unit File Load Path" */
import type { RootFs } from "../../host/rootfs.ts";
import { unitFolders } from "../default-units.ts";
import type { TextFile } from "../../layout/starts.ts";

export const OWN_UNITS = "/etc/systemd/system";
const UNIT = /^[^/]+\.(?:service|socket|mount|automount|swap|timer|path)$/;

export interface LoadedUnit {
  readonly name: string;
  /** Its own file, then its drop-ins in their order. */
  readonly files: readonly TextFile[];
}

/** Every unit that is not masked, whether something starts it or not; another name of a unit is none of its own. */
export async function loadUnits(fs: RootFs): Promise<LoadedUnit[]> {
  const folders = [OWN_UNITS, ...(await unitFolders(fs))];
  const inFolders = new Map<string, readonly string[]>();
  for (const folder of folders) inFolders.set(folder, await fs.list(folder));
  const all = [...new Set([...inFolders.values()].flat())].toSorted();
  const names = all.filter((name) => UNIT.test(name));
  const instances = all.flatMap((name) => /^([^/]+@[^/]+)\.d$/.exec(name)?.[1] ?? []).filter((name) => UNIT.test(name));
  const units: LoadedUnit[] = [];
  for (const name of new Set([...names, ...instances])) {
    const own = await fileOf(fs, folders, name);
    if (own === undefined) continue;
    const dropIns = await dropInsOf(fs, folders, name);
    units.push({ name, files: [own, ...dropIns] });
  }
  return units;
}

/** The first that is there, of the unit or of its template; nothing where that masks it or gives it another name. */
async function fileOf(fs: RootFs, folders: readonly string[], name: string): Promise<TextFile | undefined> {
  const template = templateOf(name);
  for (const candidate of template === undefined ? [name] : [name, template]) {
    for (const folder of folders) {
      const path = `${folder}/${candidate}`;
      const real = (await fs.resolve(path)).slice(fs.folder.length);
      if (real === "/dev/null") return undefined;
      const text = await fs.read(path);
      if (text === undefined) continue;
      const [at, realName] = [real.slice(0, real.lastIndexOf("/")), real.slice(real.lastIndexOf("/") + 1)];
      if (text.trim() === "" || (realName !== candidate && (await isOneOf(fs, folders, at)))) return undefined;
      return { path, text };
    }
  }
  return undefined;
}

const templateOf = (name: string): string | undefined => {
  const [, prefix, instance, suffix] = /^([^@]+@)(.*)(\.[a-z]+)$/.exec(name) ?? [];
  return instance ? `${prefix}${suffix}` : undefined;
};

async function isOneOf(fs: RootFs, folders: readonly string[], folder: string): Promise<boolean> {
  for (const one of folders) if ((await fs.resolve(one)).slice(fs.folder.length) === folder) return true;
  return false;
}

/** Those of all units of the kind, of units whose names begin alike, of the template and of the unit; of one name only the first counts. */
async function dropInsOf(fs: RootFs, folders: readonly string[], name: string): Promise<TextFile[]> {
  const suffix = name.slice(name.lastIndexOf(".") + 1);
  const stem = name.slice(0, name.lastIndexOf("."));
  const prefixes = [...stem.matchAll(/-/g)].map(({ index }) => `${stem.slice(0, index + 1)}.${suffix}`);
  const template = templateOf(name);
  const found = new Map<string, TextFile>();
  for (const of of [name, ...(template === undefined ? [] : [template]), ...prefixes.toReversed(), suffix]) {
    for (const folder of folders) {
      for (const file of await fs.list(`${folder}/${of}.d`)) {
        const path = `${folder}/${of}.d/${file}`;
        if (!file.endsWith(".conf") || found.has(file)) continue;
        if ((await fs.resolve(path)).slice(fs.folder.length) === "/dev/null") found.set(file, { path, text: "" });
        else found.set(file, { path, text: (await fs.read(path)) ?? "" });
      }
    }
  }
  return [...found.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => file);
}
