/** Test double of a power cut, for {@link fakeMachine}. */
import { HALF_MADE, type FakeDisk, type FakeMachine } from "./fake-machine.ts";

export class PowerCut extends Error {}

/**
 * From the cut on nothing reaches the disk.
 *
 * @param after so many changes of it; the two halves of the boot record are two, and so are the start and the end of a written image,
 *   and of a file system made anew
 */
export function cutPower(on: FakeDisk, machine: FakeMachine, after: number, stop: AbortController): void {
  let left = after;
  const spend = (): boolean => {
    if (left-- > 0) return true;
    stop.abort(new PowerCut());
    return false;
  };
  const { store, record, images: work } = machine;
  const storeOf = store.store.bind(store);
  Object.assign(store, { store: async (state: FakeDisk["state"]) => (spend() ? await storeOf(state) : undefined) });
  const change = record!.change.bind(record);
  Object.assign(record!, {
    change: async (choose: Parameters<typeof change>[0]) => {
      const wanted = choose(await record!.read());
      if (wanted.record) await change(() => (spend() ? { record: wanted.record! } : {}));
      if (wanted.tries) await change(() => (spend() ? { tries: wanted.tries! } : {}));
      return await record!.read();
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
  const write = work.write;
  Object.assign(work, {
    write: async (...given: Parameters<typeof write>) => {
      if (!spend()) throw new PowerCut();
      await write(...given);
      if (!spend()) on.places = { ...on.places, [given[0].place]: "half" };
    },
  });
}
