/** @portable Disks besides the system's own. */
import { z } from "zod";
import { AbsolutePath } from "../words.ts";
import * as words from "./words.ts";

const Device = z
  .string()
  .regex(/^\/dev\/[A-Za-z0-9][A-Za-z0-9/._:+@-]{0,200}$/, "must be a path below /dev, best one of /dev/disk/by-id")
  .refine((path) => !path.includes(".."), "must not hold ..");
const Percent = z.int("must be a percentage").min(1, "must be 1 … 100").max(100, "must be 1 … 100");

const DiskSetup = z.strictObject({
  table_type: z.enum(["gpt", "mbr"]).default("gpt").describe("The partition table"),
  layout: z
    .union([z.boolean(), z.array(Percent).min(1, "must name a partition").max(100)])
    .default(false)
    .describe("true: one partition over all of it; or a list with the percentages of several"),
  overwrite: z.boolean().default(false).describe("Whether a disk that holds anything is made anew"),
});
export const DiskSetups = z.record(Device, DiskSetup);

export const FileSystemSetup = z.strictObject({
  device: Device.describe("A disk, or a partition"),
  partition: z
    .union([z.int().min(1).max(128), z.enum(["none", "auto"])])
    .default("auto")
    .describe("Number of the partition; none: the device itself; auto: the one with the label, else the device itself"),
  filesystem: z.enum(["ext4", "vfat"]).describe("ext4 or vfat"),
  label: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,16}$/, "must be at most 16 letters, digits, dots, dashes and _")
    .optional()
    .describe("Its label"),
  overwrite: z.boolean().default(false).describe("Whether one that is there already is made anew"),
});

const field = z.union([words.Line.regex(/^\S*$/, "must not hold spaces"), z.int().min(0).max(9).transform(String)]);
/** fstab(5), the fields in its order. */
export const Mount = z
  .tuple([field, AbsolutePath], field)
  .refine((fields) => fields.length <= 6, "must be at most six fields, as fstab(5) has them")
  .superRefine(([, where], context) => {
    if (
      where === "/" ||
      (/^\/(?:usr|etc|proc|sys|dev|run|oem|bin|sbin|lib|boot)(?:\/|$)/.test(where) && !where.startsWith("/run/"))
    ) {
      context.addIssue({ code: "custom", path: [1], message: "is the system's: mount it below /srv, /mnt, /opt or /var" });
    }
  });
