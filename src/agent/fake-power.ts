/** Test double of a power cut, for {@link fakeMachine}. */
import { HALF_MADE, type FakeDisk, type FakeMachine } from "./fake-machine.ts";

export class PowerCut extends Error {}

/**
 * From the cut on nothing reaches the disk.
 *
 * @param after so many changes of it; the two halves of the boot record are two, and so are the start and the end of a written image,
 *   and of a file system made anew
 * @returns whether it has been cut
 */
export function cutPower(on: FakeDisk, machine: FakeMachine, after: number, stop: AbortController): () => boolean {
  let left = after;
  const spend = (): boolean => {
    if (left-- > 0) return true;
    stop.abort(new PowerCut());
    return false;
  };
  const { store, record, images: work, updates } = machine;
  const storeOf = store.store.bind(store);
  Object.assign(store, { store: async (state: FakeDisk["state"]) => (spend() ? await storeOf(state) : undefined) });
  const openStore = updates.store;
  Object.assign(updates, {
    store: async (): ReturnType<typeof openStore> => {
      const opened = await openStore();
      return { ...opened, store: async (state) => (spend() ? await opened.store(state) : undefined) };
    },
  });
  const change = record.change.bind(record);
  Object.assign(record, {
    change: async (choose: Parameters<typeof change>[0]) => {
      const wanted = choose(await record.read());
      if (wanted.record) await change(() => (spend() ? { record: wanted.record! } : {}));
      if (wanted.tries) await change(() => (spend() ? { tries: wanted.tries! } : {}));
      return await record.read();
    },
  });
  const { make } = machine.slotStore;
  Object.assign(machine.slotStore, {
    make: async (...given: Parameters<typeof make>) => {
      if (!spend()) throw new PowerCut();
      await make(...given);
      if (!spend()) on.lost = HALF_MADE;
    },
  });
  const { give, wipe, erase, emptyOem, eraseRest, forgetIdentity, forgetWords } = machine.resetDisk;
  const orCut = async (step: () => Promise<void>): Promise<void> => {
    if (!spend()) throw new PowerCut();
    await step();
  };
  Object.assign(machine.resetDisk, {
    give: async (...given: Parameters<typeof give>) => await orCut(async () => await give(...given)),
    erase: async (...given: Parameters<typeof erase>) => await orCut(async () => await erase(...given)),
    emptyOem: async (...given: Parameters<typeof emptyOem>) => await orCut(async () => await emptyOem(...given)),
    forgetIdentity: async () => await orCut(forgetIdentity),
    eraseRest: async (...given: Parameters<typeof eraseRest>) => await orCut(async () => await eraseRest(...given)),
    forgetWords: async () => await orCut(forgetWords),
    wipe: async (partition: "oem" | "persistent", signal: AbortSignal) => {
      if (!spend()) throw new PowerCut();
      await wipe(partition, signal);
      if (spend()) return;
      const half = partition === "oem" ? ({ config: "half", keys: "half" } as const) : ({ persistent: "half" } as const);
      on.data = { ...on.data!, ...half };
    },
  });
  const write = work.write;
  Object.assign(work, {
    write: async (...given: Parameters<typeof write>) => {
      if (!spend()) throw new PowerCut();
      const done = await write(...given);
      if (!spend()) on.places = { ...on.places, [given[0].place]: "half" };
      return done;
    },
  });
  const { work: configWork } = machine.machineConfig;
  Object.assign(machine.machineConfig, {
    work: async (...given: Parameters<typeof configWork>) => {
      if (given[0].do === "take-along" && !spend()) throw new PowerCut();
      return await configWork(...given);
    },
  });
  const { keep } = machine.trust;
  Object.assign(machine.trust, {
    keep: async (...given: Parameters<typeof keep>) => await orCut(async () => await keep(...given)),
  });
  return () => left < 0;
}
