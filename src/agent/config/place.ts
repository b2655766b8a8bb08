import { mountedAt } from "../../host/file-system.ts";
import { RUN_FOLDER } from "../../layout/fstab.ts";
import { CONFIG_FOLDER } from "../../layout/generations.ts";
import type { RunFacts } from "../../layout/run-facts.ts";
import type { BootTarget } from "../../layout/slots.ts";
import { DATA_FOLDERS } from "../degraded.ts";

export interface ConfigPlace {
  readonly folder: string;
  /** Of what is kept there. One that runs from memory has one slot, for as long as it runs. */
  readonly target: BootTarget;
  /** It is kept until the next boot only: why. */
  readonly forgets?: string;
}

/** Where machine configs are kept. */
export async function configPlace({ slot }: Pick<RunFacts, "slot">): Promise<ConfigPlace> {
  const target = slot === "ram" ? "a" : slot;
  if (slot !== "ram" && (await mountedAt(DATA_FOLDERS.oem, "ext4"))) return { folder: DATA_FOLDERS.oem + CONFIG_FOLDER, target };
  const forgets = slot === "ram" ? "this system runs from memory" : "the oem partition is not mounted";
  return { folder: `${RUN_FOLDER}/generations`, target, forgets };
}
