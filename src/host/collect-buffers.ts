import { KiB, type Bytes } from "../core/units.ts";
import { garbageCollector } from "./garbage-collector.ts";

/** As few as a connection has under way in a moment: what is older than that is used. */
const EVERY: Bytes = 512 * KiB;

/**
 * Gives back what has come over a connection once it is used. It lies in buffers of 64 KiB, of which V8 sees only the small objects that stand for them: some
 * 100 would lie about before it looks at any. So it is told to look at the newest ones now and then, which takes less than a millisecond.
 *
 * @param collect default: V8's own, of the newest ones
 * @returns to be told how many bytes have come
 */
export function collectBuffers(collect = youngCollector()): (came: Bytes) => void {
  let since = 0;
  return (came) => {
    since += came;
    if (since < EVERY) return;
    since = 0;
    collect();
  };
}

function youngCollector(): () => void {
  const collect = garbageCollector();
  return () => collect({ type: "minor" });
}
