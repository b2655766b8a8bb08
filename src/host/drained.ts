import { once } from "node:events";

/** Until whoever reads a stream has taken what was written to it. */
export async function drained(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableNeedDrain) await once(stream, "drain");
}
