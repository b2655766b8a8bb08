import { mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { writeNewFile } from "./new-file.ts";
import { syncDirectory } from "./replace-file.ts";

/**
 * Makes a folder with these files in it, which only their owner may read: all of them or none, also after a power cut.
 *
 * @param path may be an empty folder; the one above is there
 * @throws NodeJS.ErrnoException `ENOTEMPTY`, `ENOTDIR`: what is there is left alone
 */
export async function writeNewFolder(path: string, files: Readonly<Record<string, string>>): Promise<void> {
  const next = await mkdtemp(`${path}.`);
  try {
    for (const [name, text] of Object.entries(files)) await writeNewFile(join(next, name), text, 0o600);
    await rename(next, path);
  } catch (cause) {
    await rm(next, { recursive: true, force: true });
    throw cause;
  }
  await syncDirectory(dirname(path));
}

/** Removes what a power cut has left of a folder that {@link writeNewFolder} was making; nobody may be making one meanwhile. */
export async function removeUnfinished(path: string): Promise<void> {
  const [above, name] = [dirname(path), basename(path)];
  // Source: mkdtemp(3)
  const left = (await readdir(above)).filter(
    (other) => other.startsWith(`${name}.`) && /^[A-Za-z0-9]{6}$/.test(other.slice(name.length + 1)),
  );
  for (const one of left) await rm(join(above, one), { recursive: true, force: true });
}

/** Takes a folder away, by one rename; what a power cut leaves of it {@link removeUnfinished} removes. */
export async function moveAside(path: string): Promise<void> {
  const aside = await mkdtemp(`${path}.`);
  await rename(path, aside);
  await syncDirectory(dirname(path));
  await rm(aside, { recursive: true, force: true });
}
