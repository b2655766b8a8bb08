/** @portable Whether this boot is there to reset the machine: then nothing of what is to be wiped may be in use. docs/concepts/reset.md */
import { decodeResetOrder, isResetPending, RESET_ORDER_OFFSET, RESET_ORDER_SIZE } from "../layout/reset-order.ts";
import type { Sys } from "./sys.ts";

/** Never throws: an order that cannot be read is none, and the agent of a slot asks for it again. @param record device of the record partition */
export function isResetOrdered(sys: Sys, record: string): boolean {
  try {
    const file = sys.open(record, "direct");
    try {
      return isResetPending(decodeResetOrder(sys.readAt(file, RESET_ORDER_OFFSET, RESET_ORDER_SIZE)));
    } finally {
      sys.close(file);
    }
  } catch {
    return false;
  }
}
