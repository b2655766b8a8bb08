import { AppError } from "../core/error.ts";
import { openrc } from "./init-openrc.ts";
import type { InitSystem } from "./init-system.ts";
import { systemd } from "./init-systemd.ts";
import type { Run } from "./run.ts";

/**
 * The init system that runs this machine, by what it leaves in `/run`. Source: sd_booted(3), openrc(8).
 *
 * @param exists whether there is such a file or folder
 * @throws AppError `INIT_UNKNOWN`
 */
export async function initSystem(run: Run, exists: (path: string) => Promise<boolean>): Promise<InitSystem> {
  if (await exists("/run/systemd/system")) return systemd(run);
  if (await exists("/run/openrc")) return openrc(run, exists);
  throw new AppError("INIT_UNKNOWN", "this system is run neither by systemd nor by OpenRC");
}
