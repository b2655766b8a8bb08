import { z } from "zod";

/** Of the machine: absolute, and no way up. */
export const pathSchema = z
  .string()
  .max(4096)
  .regex(/^\/[^\0]*$/, "an absolute path")
  .refine((path) => !path.split("/").includes(".."), "a path without ..")
  .transform((path) => (path === "/" ? path : path.replaceAll(/\/+/g, "/").replace(/\/$/, "") || "/"));

/** uint64 as JSON has it. */
export const bytesSchema = z
  .string()
  .regex(/^\d{1,15}$/, "a number of bytes")
  .transform(Number);
