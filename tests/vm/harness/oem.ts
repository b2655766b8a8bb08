import type { Patch } from "../../../src/layout/patch.ts";
import type { VmHost } from "../../../src/vm/vm.ts";
import { onPartition } from "./on-partition.ts";

/** A file more on the oem partition, in its root, as somebody brings it who has the disk of a machine that has never run. */
export const onOem = async (
  fixture: { readonly host: Pick<VmHost, "tools">; readonly disk: string },
  name: string,
  text: string,
): Promise<Patch[]> => await onPartition(fixture, "oem", [{ path: `/${name}`, content: text }]);
