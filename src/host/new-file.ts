import { open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "./replace-file.ts";

/**
 * Writes a file that must not be there yet, durably; not whole, it does not stay.
 *
 * @param mode permission bits, e.g. `0o600`, from the first byte on
 * @throws NodeJS.ErrnoException `EEXIST`: what is there is left alone
 */
export async function writeNewFile(path: string, data: string, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await using _ = file;
    await file.chmod(mode); // umask trims ours
    await file.writeFile(data);
    await file.sync();
  } catch (cause) {
    await rm(path, { force: true });
    throw cause;
  }
  await syncDirectory(dirname(path));
}
