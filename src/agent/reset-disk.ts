/** What a reset does to a machine's disk, besides its images. Part of the agent's ports. */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import type { BootRecordStore } from "../host/boot-record.ts";
import { emptyOem, eraseVolume, makeDataVolume, mountOem, type OemKeeps } from "../host/data-volume.ts";
import type { Run } from "../host/run.ts";
import { eraseAndPowerOff } from "../host/erase-own-disk.ts";
import { partitionsOf } from "../host/wipe-disk.ts";
import { DISK_LABELS, type DiskPartition } from "../layout/disk.ts";
import { RUN_FOLDER, type DataPartition } from "../layout/fstab.ts";
import { IDENTITY_OFFSETS, IDENTITY_SIZE } from "../layout/identity.ts";
import { LAST_WORDS_OFFSET, LAST_WORDS_SIZE } from "../layout/record.ts";
import {
  decodeResetOrder,
  encodeResetOrder,
  noResetOrder,
  RESET_ORDER_OFFSET,
  RESET_ORDER_SIZE,
  type FoundOrder,
  type ResetOrder,
} from "../layout/reset-order.ts";
import type { RunFacts, RunPartition } from "../layout/run-facts.ts";
import type { ErasedPartition } from "./reset.ts";

export interface ResetDisk {
  /** @throws Error where it cannot be read */
  readonly order: () => Promise<FoundOrder>;
  /** Durable when it returns. @param order none: there is nothing to do any more */
  readonly give: (order: ResetOrder | undefined) => Promise<void>;
  /** Makes an empty file system; cut off, the partition may hold anything. */
  readonly wipe: (partition: DataPartition, signal: AbortSignal) => Promise<void>;
  /** Overwrites every byte of a partition. */
  readonly erase: (
    partition: ErasedPartition,
    progress: (done: Bytes, total: Bytes) => void,
    signal: AbortSignal,
  ) => Promise<void>;
  /** @throws Error when the oem partition cannot be mounted: nothing of it could be kept */
  readonly assertOem: () => Promise<void>;
  /** Takes files off the oem partition but for what is kept. */
  readonly emptyOem: (keeps: OemKeeps) => Promise<void>;
  /** Overwrites everything else of the disk, what runs last, and powers the machine off. It does not come back, but by failing. */
  readonly eraseRest: (progress: (done: Bytes, total: Bytes) => void) => Promise<void>;
  /** The next boot is a first one: another machine-id, other GUIDs. */
  readonly forgetIdentity: () => Promise<void>;
  /** The log that a boot that failed has left. */
  readonly forgetWords: () => Promise<void>;
}

export interface ResetEdge {
  readonly run: Run;
  /** Folder of the agent's own programs. */
  readonly programs: string;
  readonly facts: RunFacts;
  readonly record: BootRecordStore | undefined;
  /** Seconds since 1970. */
  readonly now: () => number;
}

export function resetDisk({ run, programs, facts, record, now }: ResetEdge): ResetDisk {
  const means = { run, programs, work: `${RUN_FOLDER}/reset` };
  const partition = (name: DiskPartition): RunPartition => {
    const found = facts.partitions[name];
    if (found) return found;
    throw new AppError("PARTITION_MISSING", `the disk has no ${name} partition`);
  };
  const onRecord = (): BootRecordStore => {
    if (record) return record;
    throw new AppError("PARTITION_MISSING", "the disk has no record partition");
  };
  /** Whatever asks for it: a mistake here would cost somebody's data. */
  const assertResetting = (): void => {
    if (!facts.resetting) throw new Error("the data partitions are in use: this boot is not there to reset the machine");
  };
  return {
    order: async () => (record ? decodeResetOrder(await record.readRaw(RESET_ORDER_OFFSET, RESET_ORDER_SIZE)) : { is: "none" }),
    give: async (order) => await onRecord().writeRaw(RESET_ORDER_OFFSET, order ? encodeResetOrder(order) : noResetOrder()),
    wipe: async (name, signal) => {
      assertResetting();
      const { device, guid } = partition(name);
      const time = Math.max(0, Math.floor(now()));
      await makeDataVolume(means, { device, label: DISK_LABELS[name], partition: guid, time }, signal);
    },
    erase: async (name, progress, signal) => {
      assertResetting();
      await eraseVolume(partition(name).device, progress, signal);
    },
    assertOem: async () => {
      assertResetting();
      await using _ = await mountOem(means, partition("oem").device);
    },
    emptyOem: async (keeps) => {
      assertResetting();
      await emptyOem(means, partition("oem").device, keeps);
    },
    eraseRest: async (progress) => {
      assertResetting();
      if (facts.disk === undefined) throw new AppError("PARTITION_MISSING", "this boot came from no disk");
      const devices = (["record", "efi", "bios"] as const).flatMap((name) => facts.partitions[name]?.device ?? []);
      const partitions = await partitionsOf(facts.disk);
      await eraseAndPowerOff({ disk: facts.disk, partitions, first: devices, last: partition("recovery").device }, progress);
    },
    forgetIdentity: async () => {
      assertResetting();
      for (const offset of IDENTITY_OFFSETS) await onRecord().writeRaw(offset, new Uint8Array(IDENTITY_SIZE));
    },
    forgetWords: async () => {
      assertResetting();
      await onRecord().writeRaw(LAST_WORDS_OFFSET, new Uint8Array(LAST_WORDS_SIZE));
    },
  };
}
