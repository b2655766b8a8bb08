/** @portable A machine config that came with the initrd. docs/formats/machine-config.md */
import { KiB, MiB, type Bytes } from "../core/units.ts";
import { BROUGHT_CONFIG, INSTALLER_CONFIG } from "../layout/machine-config-place.ts";
import type { Sys } from "./sys.ts";
import { readWhole, replaceWhole } from "./whole-file.ts";

/** More than any; who reads it says what is too much. */
const LIMIT: Bytes = MiB;

/** Keeps it where the running system finds it. Without it the machine boots all the same. @param notes what could not be done is added */
export function keepBroughtConfig(sys: Sys, notes: string[]): void {
  if (!sys.exists(BROUGHT_CONFIG)) return;
  try {
    const { size } = sys.status(BROUGHT_CONFIG);
    if (size > LIMIT) return void notes.push(`the machine config of the initrd is left out: it has ${Math.ceil(size / KiB)} KiB`);
    replaceWhole(sys, INSTALLER_CONFIG, readWhole(sys, BROUGHT_CONFIG));
  } catch (error) {
    notes.push(`the machine config of the initrd is left out: ${error instanceof Error ? error.message : String(error)}`);
  }
}
