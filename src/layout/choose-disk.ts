/** @portable Which disk somebody means. docs/concepts/install.md */
import { AppError } from "../core/error.ts";
import { formatSize, GiB, KiB, MiB, type Bytes } from "../core/units.ts";
import { describeTarget, refusalsOf, type FlashTarget } from "./flash-target.ts";

/** What somebody calls a disk. */
export type DiskName =
  | { readonly is: "path"; readonly name: string }
  | { readonly is: "serial"; readonly serial: string }
  | { readonly is: "size"; readonly least: Bytes; readonly most: Bytes }
  | { readonly is: "auto" };

/** What a disk is told by. */
export type DiskFacts = Pick<FlashTarget, "path" | "kind" | "size" | "removable" | "transport" | "model" | "serial">;
/** A disk, and why just that one. */
export interface Chosen<T> {
  readonly disk: T;
  /** A sentence. */
  readonly rule: string;
}

/** Sold sizes are round numbers of the decimal kind, and no two makers round alike. */
const TOLERANCE = 0.02;
const UNITS: Readonly<Record<string, Bytes>> = {
  ...{ K: 1e3, M: 1e6, G: 1e9, T: 1e12, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 },
  ...{ KIB: KiB, MIB: MiB, GIB: GiB, TIB: 1024 * GiB },
};
/** Block devices of other kinds: files shown as devices, memory, floppies, CD drives. */
const NO_DISK = /^\/dev\/(?:loop|zram|ram|fd|sr|nbd|mtdblock)\d/;
const DISK_NAMES = "a path (/dev/sdb), a name in /dev/disk/by-id, serial:NUMBER, size:500G, size:>=100G, size:100G..1T or auto";

/** @throws AppError `DEVICE_NAME_INVALID` */
export function parseDiskName(text: string): DiskName {
  if (text === "auto") return { is: "auto" };
  const [, kind, rest = ""] = /^(serial|size):(.*)$/s.exec(text) ?? [];
  if (kind === undefined && text !== "" && !text.includes("\0")) return { is: "path", name: text };
  if (kind === "serial" && rest !== "") return { is: "serial", serial: rest };
  const range = kind === "size" ? parseRange(rest) : undefined;
  if (range && range.least <= range.most) return { is: "size", ...range };
  throw new AppError("DEVICE_NAME_INVALID", `${JSON.stringify(text.slice(0, 80))} names no disk`, {
    hint: `Give ${DISK_NAMES}.`,
  });
}

function parseRange(text: string): { readonly least: Bytes; readonly most: Bytes } | undefined {
  const size = (word: string): Bytes => {
    const [, number, unit] = /^(\d{1,6}(?:\.\d{1,3})?)([KMGT](?:i?B)?)$/i.exec(word) ?? [];
    return Number(number ?? Number.NaN) * (UNITS[unit?.toUpperCase() ?? ""] ?? Number.NaN);
  };
  const below = (word: string): Bytes => Math.floor(size(word) * (1 - TOLERANCE));
  const above = (word: string): Bytes => Math.ceil(size(word) * (1 + TOLERANCE));
  const known = (least: Bytes, most: Bytes) => (Number.isNaN(least) || Number.isNaN(most) ? undefined : { least, most });
  const [, from, to] = /^(.+)\.\.(.+)$/.exec(text) ?? [];
  if (from !== undefined && to !== undefined) return known(below(from), above(to));
  if (text.startsWith(">=")) return known(below(text.slice(2)), Number.MAX_SAFE_INTEGER);
  if (text.startsWith("<=")) return known(0, above(text.slice(2)));
  return known(below(text), above(text));
}

/**
 * The one disk that has this serial number, or this size.
 *
 * @param disks every disk that there is, those that may not be written to besides: that is judged when it is known which one is meant
 * @throws AppError `DEVICE_MISSING` with what there is, `DEVICE_AMBIGUOUS` naming all that fit
 */
export function chooseByFacts<T extends DiskFacts>(
  name: Extract<DiskName, { readonly is: "serial" | "size" }>,
  disks: readonly T[],
): Chosen<T> {
  const what = name.is === "serial" ? `the serial number ${name.serial}` : sizeText(name);
  const whole = disks.filter(isDisk);
  const fits = (disk: T): boolean =>
    name.is === "serial" ? disk.serial === name.serial : disk.size >= name.least && disk.size <= name.most;
  const [first, ...others] = whole.filter(fits);
  if (first && others.length === 0) return { disk: first, rule: `${first.path} is the only disk with ${what}.` };
  if (first) {
    throw new AppError("DEVICE_AMBIGUOUS", `several disks have ${what}: ${list([first, ...others])}`, {
      hint: "Name the one: its path, or serial:NUMBER.",
    });
  }
  throw new AppError("DEVICE_MISSING", `there is no disk with ${what}`, {
    hint: whole.length === 0 ? "There are no disks at all." : `There are: ${list(whole)}.`,
  });
}

/**
 * The disk that is taken when nobody names one: of those that may be written to as asked, one that is built in before one that is removable or
 * on USB, a blank one before one with data, the smallest, the first by path.
 *
 * @throws AppError `DEVICE_MISSING` with the reason against each
 */
export function chooseAutomatically<T extends FlashTarget>(
  disks: readonly T[],
  { needed, wipe, refusals = (disk) => refusalsOf(disk, { needed, wipe }) }: AutomaticChoice<T>,
): Chosen<T> {
  const judged = disks.filter(isDisk).map((disk) => ({ disk, against: refusals(disk)[0] }));
  const free = judged.filter(({ against }) => against === undefined).map(({ disk }) => disk);
  const [first, ...others] = free.toSorted(
    (a, b) =>
      Number(isMovable(a)) - Number(isMovable(b)) || Number(hasData(a)) - Number(hasData(b)) || a.size - b.size || byPath(a, b),
  );
  if (!first) {
    throw new AppError("DEVICE_MISSING", `auto: there is no disk of ${formatSize(needed)} or more that may be overwritten`, {
      hint:
        judged.length === 0
          ? "There are no disks at all."
          : judged.map(({ against }) => `${upperFirst(against!.message)}.`).join(" "),
    });
  }
  const kind = [hasData(first) ? "with data" : "blank", isMovable(first) ? "removable" : "built in"].join(" and ");
  const rule =
    others.length === 0
      ? `auto: ${first.path} is the only disk that may be overwritten (${kind}).`
      : `auto: of ${others.length + 1} disks that may be overwritten, built in before removable or USB, blank before those with data, then the smallest: ${first.path} (${kind}).`;
  return { disk: first, rule };
}
interface AutomaticChoice<T> {
  readonly needed: Bytes;
  readonly wipe: boolean;
  /** Reasons against a disk; default: those of {@link refusalsOf}. */
  readonly refusals?: (disk: T) => readonly { readonly message: string }[];
}

/** Not what only looks like a disk: files shown as devices, memory, drives. */
export const isDisk = ({ kind, size, path }: DiskFacts): boolean => kind === "disk" && size > 0 && !NO_DISK.test(path);
const isMovable = ({ removable, transport }: FlashTarget): boolean => removable || transport === "usb";
const hasData = ({ found }: FlashTarget): boolean => found.length > 0;
/** `sdb` before `sdaa`, as they are numbered. */
const byPath = ({ path: a }: DiskFacts, { path: b }: DiskFacts): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
const list = (disks: readonly DiskFacts[]): string => disks.map(describeTarget).join(", ");
const upperFirst = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

function sizeText({ least, most }: { readonly least: Bytes; readonly most: Bytes }): string {
  if (most === Number.MAX_SAFE_INTEGER) return `${formatSize(least)} or more`;
  return least === 0 ? `${formatSize(most)} or less` : `a size from ${formatSize(least)} to ${formatSize(most)}`;
}
