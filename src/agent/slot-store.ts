/** The file system that holds the slots' images, on the state partition. */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { DISK_LABELS, IMAGE_FILES } from "../layout/disk.ts";
import { RUN_FOLDER } from "../layout/fstab.ts";
import type { RunFacts, RunPartition } from "../layout/run-facts.ts";
import { SLOTS, type SlotName } from "../layout/slots.ts";
import { capacityOf, lookAtStore, makeStore } from "../host/image-store.ts";
import type { Run } from "../host/run.ts";

/** Why a slot's file cannot hold an image, a sentence; nothing of one that can. */
export type StoreFaults = { readonly [slot in SlotName]?: string };

/** Part of the agent's ports. */
export interface SlotStore {
  /** @throws Error when it cannot be looked at: nothing is known then */
  readonly look: () => Promise<StoreFaults>;
  /** Bytes that each slot has, or would have, were it made anew. */
  readonly capacity: () => Promise<Bytes>;
  /** Made anew, empty, over whatever the partition holds; only from recovery. @throws Error; cut off anywhere, it is lost, or whole */
  readonly make: (signal: AbortSignal) => Promise<void>;
}

export interface StoreEdge {
  readonly run: Run;
  /** Folder of the agent's own programs. */
  readonly programs: string;
  readonly facts: RunFacts;
  /** Seconds since 1970. */
  readonly now: () => number;
}

export function slotStore({ run, programs, facts, now }: StoreEdge): SlotStore {
  const partition = (): RunPartition => {
    const found = facts.partitions.state;
    if (!found) throw new AppError("STORE_UNKNOWN", "the disk has no state partition");
    return found;
  };
  const names = SLOTS.map((slot) => IMAGE_FILES[slot].slice(1));
  let looks = 0;
  return {
    look: async () => {
      const faults = await lookAtStore(partition().device, names, `${RUN_FOLDER}/store-${looks++}`);
      return Object.fromEntries(SLOTS.flatMap((slot, index) => (faults[index] === undefined ? [] : [[slot, faults[index]]])));
    },
    capacity: async () => await capacityOf(partition().device),
    make: async (signal) => {
      if (facts.slot !== "recovery") throw new Error(`slot ${facts.slot} runs from the state partition`);
      const { device, guid } = partition();
      const means = { run, programs, work: `${RUN_FOLDER}/new-store` };
      await makeStore(
        means,
        { device, names, partition: guid, label: DISK_LABELS.state, time: Math.max(0, Math.floor(now())) },
        signal,
      );
    },
  };
}
