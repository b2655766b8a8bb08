import type { VmDisk } from "./options.ts";

/** The volume with a machine's config, after the disks that it boots. @param path of the volume */
export const configDisk = (path: string): VmDisk => ({ path, format: "raw", readOnly: true });
