/** What the firmware of a machine, and whoever emulates it, says to it. */
import { join } from "node:path";
import { DMI_FOLDER, DMI_NAMES, FW_CFG_FOLDER, type Dmi } from "../../layout/config-sources.ts";
import { MACHINE_CONFIG_LIMIT } from "../../layout/machine-config-place.ts";
import { readHead } from "../files.ts";

const MAX_TEXT = 4096;

/** What it says of the machine; nothing where there is no such firmware. */
export async function readDmi(folder = DMI_FOLDER): Promise<Dmi> {
  const values = DMI_NAMES.map(async (name) => {
    const bytes = await readHead(join(folder, name), MAX_TEXT).catch(() => undefined);
    return bytes ? [[name, Buffer.from(bytes).toString("latin1").trim()] as const] : [];
  });
  return Object.fromEntries((await Promise.all(values)).flat());
}

/**
 * A file of QEMU's `-fw_cfg`, one byte more than a config may have; nothing where there is none.
 *
 * @param name `opt/…`
 * @throws NodeJS.ErrnoException
 */
export const readFwCfg = async (name: string, folder = FW_CFG_FOLDER): Promise<Uint8Array | undefined> =>
  await readHead(join(folder, name, "raw"), MACHINE_CONFIG_LIMIT + 1);
