/** @portable A machine config on its way to a machine that boots from memory: an archive that the kernel unpacks behind the initrd. */
import { CPIO_FILE, encodeCpio } from "./cpio.ts";

/** As the initrd finds it. */
const PATH_INSIDE = "machine.yaml";
/** What boot loaders call it. */
export const MACHINE_ARCHIVE = "machine.cpio";

/** Which machine: the address of its network card as `52-54-00-12-34-56`, or every other one. */
export type MachineName = string;

/** Where the archive lies beside the script. @param name or what a boot loader puts in its place */
export const machineArchivePath = (name: MachineName): string => `machine/${name}.cpio`;

/** Readable by root only; its date is 0, so that the same text is the same bytes. */
export const machineArchive = (text: Uint8Array): Uint8Array =>
  encodeCpio([{ path: PATH_INSIDE, mode: CPIO_FILE | 0o600, data: text }], 0);

/**
 * Which machine a file is for: `default.yaml`, or the address of a card (`52-54-00-12-34-56.yaml`; colons and capitals are fine).
 *
 * @returns nothing for any other name
 */
export function machineOfFile(file: string): MachineName | undefined {
  const [, name = ""] = /^(.*)\.ya?ml$/.exec(file) ?? [];
  if (name === "default") return name;
  const address = name.toLowerCase().replaceAll(":", "-");
  return /^[0-9a-f]{2}(-[0-9a-f]{2}){5}$/.test(address) ? address : undefined;
}
