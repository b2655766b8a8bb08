/** @portable Loads the drivers that this machine's devices ask for. */
import { compileAliases, modulesFor, type AliasTable } from "../layout/modalias.ts";
import { MODULE_INDEX, MODULES_FOLDER, type ModuleIndex } from "../layout/kernel-modules.ts";
import type { Sys } from "./sys.ts";

/** Buses with very many devices and no drivers in an initrd. */
const PASSED_OVER = new Set([
  "memory",
  "node",
  "clocksource",
  "clockevents",
  "event_source",
  "workqueue",
  "container",
  "machinecheck",
]);

/** Loop devices are made when they are asked for; the eight that would be made up front cost the image's init half a second. */
const PARAMETERS: Readonly<Record<string, string>> = { loop: "max_loop=0" };

/** Modules for every machine that has this. */
const ONLY_WITH: Readonly<Record<string, string>> = { efi_pstore: "/sys/firmware/efi" };

export interface Drivers {
  /** Loads what devices ask for that were not there at the last call; drivers bring further devices with them. */
  loadForDevices(): void;
  /** Loads what every machine needs, whatever its devices. */
  loadAlways(): void;
  /** Options of the verity target that this kernel knows and a root is to have. */
  readonly verityOptions: readonly string[];
  /** Drivers that were asked for and refused to be loaded, with the kernel's word for why. */
  readonly refused: readonly string[];
}

export function openDrivers(sys: Sys): Drivers {
  const index = JSON.parse(sys.readText(MODULE_INDEX)) as ModuleIndex;
  const aliases: AliasTable = compileAliases(index.aliases);
  const tried = new Set<string>();
  const seen = new Set<string>();
  const refused: string[] = [];

  const insert = (name: string): void => {
    const module = index.modules[name];
    if (!module || tried.has(name)) return;
    tried.add(name);
    try {
      sys.loadModule(`${MODULES_FOLDER}/${module.file}`, PARAMETERS[name] ?? "");
    } catch (error) {
      // Not fatal by itself: an accelerated cipher of another CPU says "no such device". What is missing will be missed by name.
      refused.push(`${name} (${error instanceof Error ? error.message.replace(/^.*: /, "") : String(error)})`);
    }
  };
  const load = (name: string): void => {
    for (const dependency of index.modules[name]?.after ?? []) insert(dependency);
    insert(name);
  };
  const loadFor = (device: string): boolean => {
    if (seen.has(device)) return false;
    seen.add(device);
    const modalias = readIfThere(sys, `${device}/modalias`);
    if (modalias === undefined) return false;
    const before = tried.size;
    for (const name of modulesFor(aliases, modalias)) load(name);
    return tried.size > before;
  };

  return {
    refused,
    verityOptions: index.verityOptions,
    loadAlways: () => index.always.filter((name) => !(name in ONLY_WITH) || sys.exists(ONLY_WITH[name]!)).forEach(load),
    loadForDevices: () => {
      loadFor("/sys/devices/system/cpu");
      for (let more = true; more;) {
        more = false;
        for (const bus of sys.list("/sys/bus")) {
          if (PASSED_OVER.has(bus)) continue;
          const devices = `/sys/bus/${bus}/devices`;
          for (const name of sys.list(devices)) if (loadFor(`${devices}/${name}`)) more = true;
        }
      }
    },
  };
}

/** A device may vanish between listing and reading. */
function readIfThere(sys: Sys, path: string): string | undefined {
  try {
    return sys.readText(path);
  } catch {
    return undefined;
  }
}
