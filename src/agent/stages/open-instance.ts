import { mountedAt } from "../../host/file-system.ts";
import { readText } from "../../host/files.ts";
import { openInstanceStore, type InstanceStore } from "../../host/instance-store.ts";
import { RUN_FOLDER } from "../../layout/fstab.ts";
import { INSTANCE_FOLDER } from "../../layout/instance-record.ts";
import type { RunFacts } from "../../layout/run-facts.ts";
import { DATA_FOLDERS } from "../degraded.ts";

/** What was done once for this instance of the machine. A system that runs from memory is another one at each boot. Never throws. */
export async function openInstance({ slot }: Pick<RunFacts, "slot">): Promise<InstanceStore> {
  const machine = (await readText("/etc/machine-id").catch(() => "")).trim();
  if (slot === "ram") return await openInstanceStore(RUN_FOLDER + INSTANCE_FOLDER, machine);
  const isThere = await mountedAt(DATA_FOLDERS.oem, "ext4");
  return await openInstanceStore(isThere ? DATA_FOLDERS.oem + INSTANCE_FOLDER : undefined, machine);
}
