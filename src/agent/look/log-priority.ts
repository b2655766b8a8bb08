/** How urgent an entry of a log is, in the contract's words. */
import { z } from "zod";
import type { PriorityJson } from "../../protocol/petrify/v1/log_pb.ts";

/** By the number of syslog(3). */
const NAMES = [
  ...(["PRIORITY_EMERGENCY", "PRIORITY_ALERT", "PRIORITY_CRITICAL", "PRIORITY_ERROR"] as const),
  ...(["PRIORITY_WARNING", "PRIORITY_NOTICE", "PRIORITY_INFORMATION", "PRIORITY_DEBUG"] as const),
] satisfies readonly PriorityJson[];

/** @param number 0 … 7 */
export const priorityJson = (number: number): PriorityJson => NAMES[number] ?? "PRIORITY_UNSPECIFIED";

/** The number of syslog(3). */
export const priorityRequest = z
  .enum(NAMES)
  .transform((name) => NAMES.indexOf(name))
  .optional();
