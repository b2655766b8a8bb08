/** @portable What a disk is when nothing has run from it yet, whoever makes it: a build, or an installation. docs/formats/disk.md */
import { DISK_PARTITIONS, type DiskGuids } from "./disk.ts";
import { guidFromBytes } from "./guid.ts";
import { EMPTY_KERNEL_ARGS, firstKernelArgs } from "./kernel-args.ts";
import type { Patch } from "./patch.ts";
import { firstRecord, type BootRecord } from "./record.ts";
import { FULL_TRIES } from "./slots.ts";
import { encodeTries } from "./tries.ts";

/** Both halves of a boot record, and no kernel arguments. */
export interface NewRecord {
  /** Offsets count from the start of the record partition. */
  readonly record: readonly Patch[];
  /** What the file with the tries holds. */
  readonly tries: Uint8Array;
}

/**
 * Slot a is on trial, for its image has not been healthy on this machine yet, and b is empty; where both have an image, both are proven.
 *
 * @param digests of the manifests of the images in the slots
 */
export function newRecord({ a, b }: { readonly a: string; readonly b?: string | undefined }): NewRecord {
  const state = b === undefined ? "trial" : "proven";
  const record: BootRecord = {
    active: "a",
    slots: { a: { state, digest: a }, b: b === undefined ? { state: "empty" } : { state, digest: b } },
    recovery: 1,
  };
  return {
    record: [...firstRecord(record), ...firstKernelArgs(EMPTY_KERNEL_ARGS)],
    tries: encodeTries({ a: FULL_TRIES[state], b: FULL_TRIES[record.slots.b.state] }),
  };
}

/** @param random that many bytes. Source: RFC 9562, section 5.4, version 4 */
export function newDiskGuids(random: (bytes: number) => Uint8Array): DiskGuids {
  const fresh = (): string => {
    const bytes = Uint8Array.from(random(16));
    bytes[7] = (bytes[7]! & 0x0f) | 0x40; // the high byte of the third group, which a GPT stores last
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    return guidFromBytes(bytes);
  };
  return Object.fromEntries(["disk", ...DISK_PARTITIONS].map((name) => [name, fresh()])) as unknown as DiskGuids;
}
