import { mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RESERVE_COUNT, RESERVE_FOLDER } from "../layout/fstab.ts";
import { fileExists } from "./files.ts";

/** There is no room now: what there is of it helps as well. */
const WITHOUT_ROOM = new Set(["ENOSPC", "EDQUOT", "EMLINK"]);

/**
 * Makes the reserve of the persistent file system, as far as there is room for it.
 *
 * @param root `/`
 * @throws NodeJS.ErrnoException when the file system cannot be written to
 */
export async function keepReserve(root: string): Promise<void> {
  const folder = join(root, RESERVE_FOLDER);
  if (!(await fileExists(dirname(folder)))) return; // nothing is kept yet
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const there = new Set(await readdir(folder));
    for (let number = 0; number < RESERVE_COUNT; number++) {
      if (!there.has(`${number}`)) await mkdir(join(folder, `${number}`), { mode: 0o700 });
    }
  } catch (error) {
    if (!WITHOUT_ROOM.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
