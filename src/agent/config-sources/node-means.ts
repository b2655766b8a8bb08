/** Looking for a config on a real machine. */
import { join } from "node:path";
import { AppError } from "../../core/error.ts";
import { findVolumes } from "../../host/cloud-volumes.ts";
import { readConfigFolder } from "../../host/config-sources/config-folder.ts";
import { askEc2 } from "../../host/config-sources/ec2.ts";
import { readDmi, readFwCfg } from "../../host/config-sources/firmware.ts";
import { fetchBytes } from "../../host/fetch-text.ts";
import { readHead, readText } from "../../host/files.ts";
import { sha256 } from "../../host/sha256.ts";
import { DMI_FOLDER, FW_CFG_FOLDER } from "../../layout/config-sources.ts";
import { INSTALLER_CONFIG, MACHINE_CONFIG_LIMIT } from "../../layout/machine-config-place.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../../layout/run-facts.ts";
import type { SourceMeans } from "./means.ts";

interface SourceEdge extends Pick<SourceMeans, "kept" | "hasData"> {
  /** Where the running system is: `/`. Tests have one in a folder. */
  readonly root: string;
  readonly signal: AbortSignal;
}

/** For all that is asked of the web, however many documents name one another. */
const WEB_MS = 120_000;

/** @throws AppError `RUN_FACTS_INVALID`; NodeJS.ErrnoException */
export async function nodeSources({ root, kept, hasData, signal }: SourceEdge): Promise<SourceMeans> {
  const at = (path: string): string => join(root, path);
  const asSeen = (path: string): string => join("/", path.slice(root.length));
  const { slot } = parseRunFacts(await readText(at(RUN_FACTS_PATH)));
  const machineId = (await readText(at("/etc/machine-id"))).trim();
  const over = AbortSignal.timeout(WEB_MS);
  return {
    ...{ slot, machineId, kept, hasData },
    folder: async (path) => (await readConfigFolder(at(path))).map((file) => ({ ...file, path: asSeen(file.path) })),
    medium: async () => await readHead(at(INSTALLER_CONFIG), MACHINE_CONFIG_LIMIT + 1),
    volumes: async (wanted) => {
      const found = await findVolumes(wanted, { sys: at("/sys/class/block"), dev: at("/dev") });
      return found.map((volume) => ({ ...volume, device: asSeen(volume.device) }));
    },
    firmware: async (name) => await readFwCfg(name, at(FW_CFG_FOLDER)),
    dmi: async () => await readDmi(at(DMI_FOLDER)),
    cmdline: async () => await readText(at("/proc/cmdline")),
    fetch: async (url, headers) => {
      if (over.aborted) throw new AppError("FETCH_FAILED", `documents of the web took more than ${WEB_MS / 1000} s`);
      return await fetchBytes(url, { limit: MACHINE_CONFIG_LIMIT, signal, headers });
    },
    ec2: async () => await askEc2(signal),
    sha256: (bytes) => sha256.digest(bytes),
  };
}
