import { sparseFile } from "../host/files.ts";
import type { Tools } from "../host/tools.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { makeFat } from "./fat-volume.ts";

/** Room for the largest machine config. */
const SIZE: Bytes = 4 * MiB;

export interface ConfigVolume {
  /** The file that becomes the volume. */
  readonly path: string;
  readonly userData: Uint8Array;
  /** A machine with another one runs again what it runs once. */
  readonly instance: string;
  /** An existing folder for passing files; the caller removes it. */
  readonly work: string;
}

/** A volume with a machine config for a virtual machine. Source: cloud-init, "NoCloud" */
export async function makeConfigVolume(
  tools: Tools,
  { path, userData, instance, work }: ConfigVolume,
  signal?: AbortSignal,
): Promise<void> {
  await sparseFile(path, SIZE);
  const files = [
    { path: "/user-data", data: userData },
    { path: "/meta-data", data: `instance-id: ${instance}\n` },
  ] as const;
  const form = { sectorSize: 512, label: "CIDATA", volumeId: "c1da7a00", time: 0 } as const;
  await makeFat(tools, { ...form, file: path, offset: 0, size: SIZE, files }, work, signal);
}
