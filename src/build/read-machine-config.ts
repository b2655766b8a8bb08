import { parseMachineConfig } from "../config/machine-config.ts";
import { AppError } from "../core/error.ts";
import { MACHINE_CONFIG_LIMIT } from "../layout/machine-config-place.ts";
import { parseDiskName } from "../layout/choose-disk.ts";
import { readHead } from "../host/files.ts";

/** More than any machine reads, so that what is too long is refused as such. */
const READ = MACHINE_CONFIG_LIMIT + 1;

/**
 * The text of a machine config that a machine will understand.
 *
 * @throws AppError `FILE_UNREADABLE`, `MACHINE_CONFIG_INVALID`, and what {@link parseDiskName} throws
 */
export async function readMachineConfig(path: string): Promise<string> {
  const bytes = await readHead(path, READ);
  if (!bytes) {
    throw new AppError("FILE_UNREADABLE", `${path} cannot be read`, { hint: "Name the file that holds the machine config." });
  }
  const text = new TextDecoder().decode(bytes);
  const { install } = parseMachineConfig(text, path);
  if (install.device !== undefined) parseDiskName(install.device);
  return text;
}
