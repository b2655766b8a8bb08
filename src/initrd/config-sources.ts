/**
 * @portable Whether there is anything to do about a machine's config at this boot: cheap, because most boots end there. docs/concepts/config.md, "Where it
 * comes from" and "What has changed since"
 */
import { KiB, type Bytes } from "../core/units.ts";
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
import { latin1Text } from "../layout/env-block.ts";
import { CONFIG_FOLDER, generationOf } from "../layout/generations.ts";
import { INSTALLER_CONFIG } from "../layout/machine-config-place.ts";
import { CONFIG_WANTED } from "../layout/run-config.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { encodeSeenSources, SEEN_SOURCES_NAME, SOURCES_NOW_PATH } from "../layout/seen-sources.ts";
import { openVolume } from "../layout/volume.ts";
import { poll, type Sys } from "./sys.ts";
import { readWhole } from "./whole-file.ts";

const BLOCK = "/sys/class/block";
const SCSI = "/sys/bus/scsi/devices";
/** CD-ROM. Source: SCSI Primary Commands, "Peripheral device type" */
const CD_DRIVE = "5";
/** For the driver of a CD drive that is there. */
const DRIVE_MS = 2000;
/** Of a volume: folders, their times and sizes, and small files are at its beginning, with each of the three file systems. */
const HEAD: Bytes = 64 * KiB;
const OWN_FOLDER = CONFIG_FOLDERS.oem + CONFIG_FOLDER;

/**
 * A config is wanted, and may come from somewhere; or what lies somewhere is another than when it was looked at last. Leaves what lies there in
 * `/run/petrify`. Never throws: what cannot be looked at has none.
 */
export function hasConfigWork(sys: Sys): boolean {
  const dmi: Dmi = Object.fromEntries(DMI_NAMES.map((name) => [name, textOf(sys, `${DMI_FOLDER}/${name}`).trim()]));
  const lines = brought(sys, dmi);
  // Under another image what was applied before is compiled again.
  const hasOwn = sys.list(OWN_FOLDER).some((name) => generationOf(name) !== undefined);
  const isWanted = sys.exists(CONFIG_WANTED);
  if (!hasOwn && (!isWanted || lines.length === 0)) return false;
  // A copy of the disk in another machine.
  const { product_uuid: uuid = "", product_serial: serial = "" } = dmi;
  const now = encodeSeenSources([...lines, `machine ${numberOf(sys, `${uuid} ${serial}`)}`]);
  leave(sys, now);
  return isWanted || (!isRecovery(sys) && textOf(sys, `${OWN_FOLDER}/${SEEN_SOURCES_NAME}`) !== now);
}

/** What may be a config, or say where one is: a line each. */
function brought(sys: Sys, dmi: Dmi): string[] {
  const words = configWords(textOf(sys, "/proc/cmdline"));
  const hasWords = words.url !== undefined || words.nocloud !== undefined || words.isEc2;
  const hasFirmware = serialSeed(dmi) !== undefined || isEc2Machine(dmi);
  const files = [INSTALLER_CONFIG, `${FW_CFG_FOLDER}/${FW_CFG_NAME}/raw`].filter((path) => sys.exists(path));
  for (const folder of Object.values(CONFIG_FOLDERS))
    files.push(...sys.list(folder).flatMap((name) => (isConfigName(name) ? [`${folder}/${name}`] : [])));
  poll(sys, DRIVE_MS, () => (hasDriveToCome(sys) ? undefined : true));
  return [
    ...files.map((path) => `${path} ${contentOf(sys, path)}`),
    ...(hasWords ? [`cmdline ${numberOf(sys, JSON.stringify(words))}`] : []),
    ...(hasFirmware ? ["firmware"] : []),
    ...sys.list(BLOCK).flatMap((name) => (isNoVolume(name) ? [] : (volumeOf(sys, name) ?? []))),
  ];
}

/** Links of udev would tell, too, but not before it has come to that device. */
function volumeOf(sys: Sys, name: string): string | undefined {
  try {
    const size = sys.readText(`${BLOCK}/${name}/size`).trim();
    if (Number(size) === 0) return undefined;
    const file = sys.open(`/dev/${name}`, "read");
    try {
      const label = openVolume((offset, length) => sys.readAt(file, offset, length))?.label.toLowerCase();
      if (label !== CLOUD_LABEL && label !== DRIVE_LABEL) return undefined;
      return `volume ${label} ${size} ${numberOf(sys, latin1Text(sys.readAt(file, 0, HEAD)))}`;
    } finally {
      sys.close(file);
    }
  } catch {
    return undefined; // an empty drive, a failing disk
  }
}

const hasDriveToCome = (sys: Sys): boolean =>
  sys.list(SCSI).some((name) => textOf(sys, `${SCSI}/${name}/type`).trim() === CD_DRIVE && !sys.exists(`${SCSI}/${name}/block`));

/** It is compared with itself alone, so what it is of a text that is not ASCII does not matter. */
const numberOf = (sys: Sys, text: string): string => sys.crc32(text).toString(16).padStart(8, "0");

function contentOf(sys: Sys, path: string): string {
  try {
    return numberOf(sys, readWhole(sys, path));
  } catch {
    return "unreadable";
  }
}

/** Recovery has what it needs of the last config that was applied, and takes no other. */
function isRecovery(sys: Sys): boolean {
  try {
    return parseRunFacts(sys.readText(RUN_FACTS_PATH)).slot === "recovery";
  } catch {
    return true;
  }
}

/** For root only. Where it cannot be left, the next boot looks again. */
function leave(sys: Sys, text: string): void {
  try {
    const file = sys.open(SOURCES_NOW_PATH, "create");
    try {
      sys.writeTextTo(file, text);
    } finally {
      sys.close(file);
    }
  } catch {
    // Nothing is stored as seen then.
  }
}

function textOf(sys: Sys, path: string): string {
  try {
    return sys.readText(path);
  } catch {
    return ""; // firmware may not say it
  }
}
