import { decodeUpdatesState, EMPTY_UPDATES, encodeUpdatesState, type UpdatesState } from "../layout/updates-state.ts";
import { openTwins } from "./twin-files.ts";

/** What a machine remembers of its updates, in a folder of the oem partition; one without a folder forgets it. Never throws. */
export async function openUpdatesStore(folder: string | undefined): Promise<{
  readonly found: UpdatesState;
  readonly isNewer: boolean;
  /** Durable when it returns. @throws NodeJS.ErrnoException: what was there before is still there */
  readonly store: (state: UpdatesState) => Promise<void>;
}> {
  if (folder === undefined) return { found: EMPTY_UPDATES, isNewer: false, store: async () => {} };
  const twins = await openTwins(folder, {
    names: ["updates-1", "updates-2"],
    encode: encodeUpdatesState,
    decode: decodeUpdatesState,
  });
  return { found: twins.found ?? EMPTY_UPDATES, isNewer: twins.isNewer, store: twins.store };
}
