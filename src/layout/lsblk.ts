/** @portable What `lsblk --json` says about block devices. Source: lsblk(8) of util-linux 2.37 or later. */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";

/** A block device, and what lies on it: partitions, and devices that are made of them (LVM, RAID, encryption, multipath). */
export interface BlockNode {
  /** `/dev/sdb`, as the kernel calls it. */
  readonly path: string;
  /** `disk`, `part`, `loop`, `rom`, `lvm`, `crypt`, `mpath`, `raid1` … */
  readonly type: string;
  readonly size: Bytes;
  readonly readOnly: boolean;
  readonly removable: boolean;
  /** Of its logical sectors. */
  readonly sectorSize: Bytes;
  /** What it is a part of. */
  readonly parent?: string;
  /** `usb`, `nvme`, `sata` … */
  readonly transport?: string;
  readonly model?: string;
  readonly serial?: string;
  /** What is on it, where anybody has looked: a file system, `LVM2_member`, `swap` … */
  readonly content?: string;
  /** Of that file system, or else of the partition. */
  readonly label?: string;
  /** Where it is mounted; `[SWAP]` for swap that is in use. */
  readonly mounts: readonly string[];
  readonly children: readonly BlockNode[];
}

/** For `lsblk --json --bytes --paths --output`. */
export const LSBLK_COLUMNS = "NAME,TYPE,SIZE,RO,RM,LOG-SEC,PKNAME,TRAN,MODEL,SERIAL,FSTYPE,LABEL,PARTLABEL,MOUNTPOINTS" as const;

/** Deeper than any stack of devices. */
const MAX_DEPTH = 16;

/** @throws AppError `LSBLK_UNREADABLE`; nothing else, whatever the text */
export function parseLsblk(text: string): readonly BlockNode[] {
  const value = parseJson(text);
  if (!isObject(value) || !Array.isArray(value["blockdevices"])) throw unreadable("there is no list of devices");
  return value["blockdevices"].map((one) => node(one, 0));
}

/** The device itself, then everything that lies on it. */
export const withChildren = (one: BlockNode): readonly BlockNode[] => [one, ...one.children.flatMap(withChildren)];

function node(value: unknown, depth: number): BlockNode {
  if (!isObject(value) || depth > MAX_DEPTH) throw unreadable("a device is not described");
  const path = plainWord(value["name"]);
  const type = plainWord(value["type"]);
  const size = numberOf(value["size"]);
  if (path === undefined || type === undefined || !Number.isSafeInteger(size) || size < 0) {
    throw unreadable("a device has no name, type or size");
  }
  const children = Array.isArray(value["children"]) ? value["children"] : [];
  const mounts: unknown[] = Array.isArray(value["mountpoints"]) ? value["mountpoints"] : [];
  const known = {
    ...{ parent: plainWord(value["pkname"]), transport: plainWord(value["tran"]), model: plainWord(value["model"]) },
    ...{ serial: plainWord(value["serial"]), content: plainWord(value["fstype"]) },
    label: plainWord(value["label"]) ?? plainWord(value["partlabel"]),
  };
  return {
    ...{ path, type, size, readOnly: isTrue(value["ro"]), removable: isTrue(value["rm"]) },
    ...{ sectorSize: numberOf(value["log-sec"]) === 4096 ? 4096 : 512 },
    ...(Object.fromEntries(Object.entries(known).filter(([, one]) => one !== undefined)) as Partial<BlockNode>),
    mounts: mounts.flatMap((one) => plainWord(one) ?? []),
    children: children.map((one) => node(one, depth + 1)),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable("it is no JSON", cause);
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null;
/** An object may have a `toString` of its own, which throws. */
const numberOf = (value: unknown): number => (["number", "string"].includes(typeof value) ? Number(value) : Number.NaN);
/** Older versions write `"1"` for true. */
const isTrue = (value: unknown): boolean => value === true || value === "1" || value === 1;

/** Text of a disk's firmware or of a file system, which can be anything: what would move the cursor is left out. */
export function plainWord(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  // eslint-disable-next-line no-control-regex -- these are what is to go
  return value.replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim() || undefined;
}

const unreadable = (why: string, cause?: unknown): AppError =>
  new AppError("LSBLK_UNREADABLE", `what lsblk says cannot be understood: ${why}`, {
    hint: "util-linux 2.37 or later is needed.",
    cause,
  });
