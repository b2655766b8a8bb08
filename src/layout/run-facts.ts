/** @portable What the initrd knows and leaves for everybody after it: `/run/petrify/boot.json`. docs/formats/run-facts.md */
import { AppError } from "../core/error.ts";
import type { DiskPartition } from "./disk.ts";
import { RUN_FOLDER } from "./fstab.ts";
import type { Guid } from "./guid.ts";
import type { ImageFacts } from "./image-facts.ts";
import type { BootTarget } from "./slots.ts";

export const RUN_FACTS_PATH = `${RUN_FOLDER}/boot.json`;
const FORMAT = 1;

/** A partition of the disk that this boot came from. */
export interface RunPartition {
  readonly guid: Guid;
  /** `/dev/vda6` */
  readonly device: string;
}

export interface RunFacts {
  /** What runs now; the boot record may say something else by now. `ram`: the image came with the initrd, and there is no disk. */
  readonly slot: BootTarget | "ram";
  /** Path of the running image in its file system: `/a.img`. */
  readonly file: string;
  readonly rootHash: string;
  /** Id of the trial that the kernel arguments of this boot belong to. */
  readonly trial?: string;
  /** `/dev/vda`; absent when the boot came from none. */
  readonly disk?: string;
  /** By name; partitions that the disk does not have are missing. */
  readonly partitions: { readonly [name in DiskPartition]?: RunPartition };
  /** Absent when the image does not say. */
  readonly image?: ImageFacts;
  /** A factory reset was ordered, and this is the boot of recovery that does it. docs/concepts/reset.md */
  readonly resetting?: boolean;
  /** What this boot had to do without, a sentence each. */
  readonly notes: readonly string[];
  /** Milliseconds since the kernel's start at which each step had been done. */
  readonly reached: Readonly<Record<string, number>>;
}

/** The file's text. */
export const encodeRunFacts = (facts: RunFacts): string => `${JSON.stringify({ format: FORMAT, ...facts })}\n`;

/**
 * Reads what {@link encodeRunFacts} wrote; the file is of this boot, so nothing but the format needs checking.
 *
 * @throws AppError `RUN_FACTS_INVALID`
 */
export function parseRunFacts(text: string): RunFacts {
  const { format, ...facts } = JSON.parse(text) as RunFacts & { format?: number };
  if (format !== FORMAT) throw new AppError("RUN_FACTS_INVALID", `${RUN_FACTS_PATH} has format ${String(format)}, not ${FORMAT}`);
  return facts;
}
