/** @portable Reads who this machine is, or makes it up at its first boot. docs/formats/identity.md */
import { guidFromHex, type Guid } from "../layout/guid.ts";
import { decodeIdentity, IDENTITY_OFFSETS, IDENTITY_SIZE, type Identity } from "../layout/identity.ts";
import { partitionDevice, type Disk } from "./block-devices.ts";
import { sentence } from "./failure.ts";
import type { Sys } from "./sys.ts";

export type FoundIdentity =
  | { readonly is: "known"; readonly identity: Identity }
  /** Nobody has booted this disk yet, or nothing of it is left. */
  | { readonly is: "missing" }
  /** The disk cannot be read there: it may have one. */
  | { readonly is: "unreadable" };

/** Never throws; a copy that is damaged beside a whole one is written again. */
export function findIdentity(sys: Sys, disk: Disk, notes: string[]): FoundIdentity {
  const device = recordDevice(sys, disk);
  if (device === undefined) return { is: "unreadable" };
  const copies = IDENTITY_OFFSETS.map((offset) => readCopy(sys, device, offset));
  const isWhole = (copy: Uint8Array | undefined): copy is Uint8Array => copy !== undefined && decodeIdentity(copy) !== undefined;
  const whole = copies.find(isWhole);
  if (!whole) return { is: copies.every(Boolean) ? "missing" : "unreadable" };
  // As it is: newer software may have written more into it than is known here.
  if (!copies.every(isWhole)) keepIdentity(sys, disk, whole, notes);
  return { is: "known", identity: decodeIdentity(whole)! };
}

export const newIdentity = (sys: Sys): Identity => ({ machineId: newGuid(sys).replaceAll("-", "") });

/** Version 4: random. Source: RFC 9562, section 5.4 */
export function newGuid(sys: Sys): Guid {
  const bytes = sys.random(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return guidFromHex(Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""));
}

/** One copy after the other, each on the disk before the next begins. Never throws. @param block what {@link encodeIdentity} made */
export function keepIdentity(sys: Sys, disk: Disk, block: Uint8Array, notes: string[]): void {
  try {
    const file = sys.open(recordDevice(sys, disk)!, "direct");
    for (const offset of IDENTITY_OFFSETS) {
      sys.writeAt(file, offset, block);
      sys.syncFile(file);
    }
    sys.close(file);
  } catch (error) {
    notes.push(`this machine's identity cannot be stored: ${sentence(error)}`);
  }
}

function recordDevice(sys: Sys, disk: Disk): string | undefined {
  const record = disk.gpt.partitions.find(({ name }) => name === "record");
  return record && partitionDevice(sys, disk.name, record);
}

/** `undefined` where the disk cannot read it. */
function readCopy(sys: Sys, device: string, offset: number): Uint8Array | undefined {
  try {
    const file = sys.open(device, "direct");
    try {
      return sys.readAt(file, offset, IDENTITY_SIZE);
    } finally {
      sys.close(file);
    }
  } catch {
    return undefined;
  }
}
