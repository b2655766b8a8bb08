/** @portable Disks besides the system's own. What no disk can be is refused here; whether the image has the programs for it when it is compiled. */
import { z } from "zod";
import type { Path } from "../issue-text.ts";
import { AbsolutePath } from "../words.ts";
import * as words from "./words.ts";

const Device = z
  .string()
  .regex(/^\/dev\/[A-Za-z0-9][A-Za-z0-9/._:+@-]{0,200}$/, "must be a path below /dev, best one of /dev/disk/by-id")
  .refine((path) => !path.includes(".."), "must not hold ..");
const Percent = z.int("must be a percentage").min(1, "must be 1 … 100").max(100, "must be 1 … 100");

/** Names of partitions as the kernel and udev make them. */
const PARTITION =
  /^\/dev\/(?:[shv]d[a-z]+\d+|xvd[a-z]+\d+|(?:nvme\d+n\d+|mmcblk\d+|loop\d+|nbd\d+)p\d+|disk\/.*-part\d+|disk\/by-(?:part)?(?:uuid|label)\/.*)$/;
/** An MBR has no more; those inside an extended one are not made. */
const MBR_PARTITIONS = 4;

const DiskSetup = z
  .strictObject({
    table_type: z.enum(["gpt", "mbr"]).default("gpt").describe("The partition table"),
    layout: z
      .union([
        z.boolean(),
        z
          .array(Percent)
          .min(1, "must name a partition")
          .max(100)
          .refine((parts) => parts.reduce((sum, part) => sum + part, 0) <= 100, "must not be more than 100 together"),
      ])
      .default(false)
      .describe("true: one partition over all of it; or a list with the percentages of several"),
    overwrite: z.boolean().default(false).describe("Whether a disk that holds anything is made anew"),
  })
  .superRefine(({ table_type: table, layout }, context) => {
    if (table !== "mbr" || typeof layout === "boolean" || layout.length <= MBR_PARTITIONS) return;
    context.addIssue({ code: "custom", path: ["layout"], message: `must be at most ${MBR_PARTITIONS} with table_type: mbr` });
  });
type DiskSetup = z.output<typeof DiskSetup>;
export const DiskSetups = z.record(Device, DiskSetup).superRefine((disks, context) => {
  for (const device of Object.keys(disks).filter((one) => PARTITION.test(one)))
    context.addIssue({ code: "custom", path: [device], message: "is a partition, which gets no table: name the disk" });
});

/** Longer ones mkfs refuses. Source: mke2fs(8), mkfs.fat(8) */
const LONGEST_LABEL = { ext4: 16, vfat: 11 } as const;
const Label = z.string().regex(/^[A-Za-z0-9_.-]{1,16}$/, "must be at most 16 letters, digits, dots, dashes and _");
const whyNoLabel = (type: keyof typeof LONGEST_LABEL, label: string | undefined): string | undefined =>
  label === undefined || label.length <= LONGEST_LABEL[type]
    ? undefined
    : `must be at most ${LONGEST_LABEL[type]} characters for ${type}`;

export const FileSystemSetup = z
  .strictObject({
    device: Device.describe("A disk, or a partition"),
    partition: z
      .union([z.int().min(1).max(128), z.enum(["none", "auto"])])
      .default("auto")
      .describe("Number of the partition; none: the device itself; auto: the one with the label, else the device itself"),
    filesystem: z.enum(["ext4", "vfat"]).describe("ext4 or vfat"),
    label: Label.optional().describe("Its label"),
    overwrite: z.boolean().default(false).describe("Whether one that is there already is made anew"),
  })
  .superRefine(({ device, partition, filesystem, label }, context) => {
    const long = whyNoLabel(filesystem, label);
    if (long !== undefined) context.addIssue({ code: "custom", path: ["label"], message: long });
    if (typeof partition === "number" && PARTITION.test(device))
      context.addIssue({ code: "custom", path: ["partition"], message: "is of a partition, which has none" });
  });
type FileSystemSetup = z.output<typeof FileSystemSetup>;

/** Of a step: partitions beside those that a disk has. */
export const Layout = z.strictObject({
  device: z
    .strictObject({
      path: Device.refine((path) => !PARTITION.test(path), "is a partition: name the disk")
        .optional()
        .describe("A disk, best by /dev/disk/by-id"),
      label: words.Line.min(1, "must not be empty").max(256).optional().describe("Or: the label of a file system on it"),
    })
    .refine(({ path, label }) => (path === undefined) !== (label === undefined), "must have exactly one of path, label")
    .describe("The disk, never the system's own"),
  add_partitions: z
    .array(
      z
        .strictObject({
          fsLabel: Label.optional().describe("Label of the file system; a partition that has it is left alone"),
          pLabel: words.Line.regex(/^[\x20-\x7e]{1,36}$/, "must be at most 36 characters of ASCII")
            .optional()
            .describe("Name of the partition"),
          size: z.int().min(0).default(0).describe("MiB; 0: what is left"),
          filesystem: z.enum(["ext4", "vfat"]).default("ext4").describe("Its file system"),
        })
        .superRefine(({ filesystem, fsLabel }, context) => {
          const long = whyNoLabel(filesystem, fsLabel);
          if (long !== undefined) context.addIssue({ code: "custom", path: ["fsLabel"], message: long });
        }),
    )
    .min(1, "must name a partition")
    .max(100)
    .superRefine((partitions, context) => {
      for (const [index, { size }] of partitions.slice(0, -1).entries())
        if (size === 0)
          context.addIssue({ code: "custom", path: [index, "size"], message: "is all that is left, and another one follows" });
    })
    .describe("Partitions that are added where they are missing"),
});

/** Whether file systems go where the tables leave room for them: what both say may come from two documents. */
export function disksFit(
  {
    disk_setup: disks = {},
    fs_setup: fileSystems = [],
  }: {
    readonly disk_setup?: Readonly<Record<string, DiskSetup>> | undefined;
    readonly fs_setup?: readonly FileSystemSetup[] | undefined;
  },
  context: z.RefinementCtx,
): void {
  const report = (path: Path, message: string): void => context.addIssue({ code: "custom", path: [...path], message });
  for (const [index, { device, partition, label }] of fileSystems.entries()) {
    const disk = Object.hasOwn(disks, device) ? disks[device] : undefined;
    if (!disk) continue;
    const count = typeof disk.layout === "boolean" ? Number(disk.layout) : disk.layout.length;
    const path = ["fs_setup", index, "partition"];
    if (partition === "none" || (partition === "auto" && label === undefined))
      report(path, "would be in the place of the table that disk_setup makes there: give its number");
    else if (typeof partition === "number" && partition > count)
      report(path, `must be at most ${count}: disk_setup makes no more there`);
  }
}

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
