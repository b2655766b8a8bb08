import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * What `--expose-gc` gives. With that flag V8 would refuse what of Node's own modules is compiled already, for that has the sum of the flags in it, and each start
 * would take half as long again: so the flag is there for as long as it takes to get hold of it. A new context, since only those that are made then have it.
 */
export function garbageCollector(): NonNullable<typeof globalThis.gc> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as NonNullable<typeof globalThis.gc>;
  setFlagsFromString("--no-expose-gc");
  return collect;
}
