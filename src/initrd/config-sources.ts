/**
 * @portable Whether a machine's config may come from anywhere at all: cheap, because at each boot of a machine without one it is all that is done about
 * it. docs/concepts/config.md, "Where it comes from"
 */
import {
  CLOUD_LABEL,
  CONFIG_FOLDERS,
  configWords,
  DMI_FOLDER,
  DMI_NAMES,
  DRIVE_LABEL,
  FW_CFG_FOLDER,
  FW_CFG_NAME,
  isConfigName,
  isEc2Machine,
  isNoVolume,
  serialSeed,
  type Dmi,
} from "../layout/config-sources.ts";
import { CONFIG_FOLDER, generationOf } from "../layout/generations.ts";
import { INSTALLER_CONFIG } from "../layout/machine-config-place.ts";
import { openVolume } from "../layout/volume.ts";
import { poll, type Sys } from "./sys.ts";

const BLOCK = "/sys/class/block";
const SCSI = "/sys/bus/scsi/devices";
/** CD-ROM. Source: SCSI Primary Commands, "Peripheral device type" */
const CD_DRIVE = "5";
/** For the driver of a CD drive that is there. */
const DRIVE_MS = 2000;

/** Never throws: what cannot be looked at has none. */
export function mayHaveConfig(sys: Sys): boolean {
  // Under another image what was applied before is compiled again.
  if (sys.list(CONFIG_FOLDERS.oem + CONFIG_FOLDER).some((name) => generationOf(name) !== undefined)) return true;
  const lies = Object.values(CONFIG_FOLDERS).some((folder) => sys.list(folder).some(isConfigName));
  if (lies || sys.exists(INSTALLER_CONFIG) || sys.exists(`${FW_CFG_FOLDER}/${FW_CFG_NAME}/raw`)) return true;
  const words = configWords(textOf(sys, "/proc/cmdline"));
  if (words.url !== undefined || words.nocloud || words.isEc2) return true;
  const dmi: Dmi = Object.fromEntries(DMI_NAMES.map((name) => [name, textOf(sys, `${DMI_FOLDER}/${name}`).trim()]));
  if (serialSeed(dmi) || isEc2Machine(dmi)) return true;
  poll(sys, DRIVE_MS, () => (hasDriveToCome(sys) ? undefined : true));
  return sys.list(BLOCK).some((name) => !isNoVolume(name) && isOfConfig(sys, name));
}

/** Links of udev would tell, too, but not before it has come to that device. */
function isOfConfig(sys: Sys, name: string): boolean {
  try {
    if (Number(sys.readText(`${BLOCK}/${name}/size`)) === 0) return false;
    const file = sys.open(`/dev/${name}`, "read");
    try {
      const label = openVolume((offset, length) => sys.readAt(file, offset, length))?.label.toLowerCase();
      return label === CLOUD_LABEL || label === DRIVE_LABEL;
    } finally {
      sys.close(file);
    }
  } catch {
    return false; // an empty drive, a failing disk
  }
}

const hasDriveToCome = (sys: Sys): boolean =>
  sys.list(SCSI).some((name) => textOf(sys, `${SCSI}/${name}/type`).trim() === CD_DRIVE && !sys.exists(`${SCSI}/${name}/block`));

function textOf(sys: Sys, path: string): string {
  try {
    return sys.readText(path);
  } catch {
    return ""; // firmware may not say it
  }
}
