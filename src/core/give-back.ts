/** @portable Memory that is known to be needed no more. */
import { MiB, type Bytes } from "./units.ts";

/** Small pieces may share their memory with others. */
const LARGE: Bytes = MiB;

/**
 * Gives the memory of large bytes back at once. A collector counts only how few objects there are: it would let tens of MiB of used segments lie before it
 * looks at them.
 *
 * @param bytes nobody may use them, or others of the same buffer, any more: they are empty
 */
export function giveBack({ buffer }: ArrayBufferView): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= LARGE && !buffer.detached) buffer.transfer(0);
}
