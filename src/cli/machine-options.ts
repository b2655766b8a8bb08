/** Options of commands that start virtual machines. */
import { InvalidArgumentError, Option } from "commander";
import { AppError } from "../core/error.ts";
import { formatSize, GiB, parseDuration, parseSize, type Bytes, type Seconds } from "../core/units.ts";
import { openImage } from "../host/image-file.ts";
import { readMediumDescription, type MediumDescription } from "../layout/medium.ts";
import { bootableKind, kernelOf, type Bootable } from "../vm/bootable.ts";
import { chooseAccelerator, type AcceleratorChoice } from "../vm/kvm.ts";
import { MEDIUM_KINDS, type MediumKind } from "../vm/medium-disks.ts";
import type { Forward } from "../vm/options.ts";
import type { VmHost } from "../vm/vm.ts";
import { UsageError } from "./output.ts";

export const DEFAULT_MEMORY: Bytes = 1 * GiB;

export function memorySize(text: string): Bytes {
  try {
    return parseSize(text);
  } catch (error) {
    const { message, hint } = error as AppError;
    throw new InvalidArgumentError(`${message}. ${hint}`);
  }
}

/**
 * @param wanted with an option
 * @param needed where that is known
 * @throws AppError `MEMORY_INSUFFICIENT`
 */
export function memoryFor(path: string, wanted: Bytes | undefined, needed: Bytes = 0): Bytes {
  if (wanted !== undefined && wanted < needed) {
    const what = `${path} does not boot from memory with ${formatSize(wanted)}`;
    throw new AppError("MEMORY_INSUFFICIENT", what, { hint: `Give the machine ${formatSize(needed)} or more.` });
  }
  return wanted ?? Math.max(DEFAULT_MEMORY, needed);
}

export const mediumOption = (): Option =>
  new Option("--medium <kind>", "how the machine has an iso: as a CD (default) or as a USB stick").choices(MEDIUM_KINDS);

export const diskSizeOption = (what: string): Option => new Option("--disk-size <size>", what).argParser(memorySize);

/** @throws UsageError for options that only an iso has */
export function refuseMediumOptions(options: { readonly medium?: MediumKind; readonly diskSize?: Bytes }): void {
  const name = options.medium !== undefined ? "--medium" : options.diskSize !== undefined ? "--disk-size" : undefined;
  if (name) throw new UsageError("USAGE", `${name} is for an iso`, { hint: "Make one with `petrify build --output iso`." });
}

/** What an iso says of itself. @throws AppError `MEDIUM_INVALID` */
export function mediumFacts(path: string): MediumDescription {
  using file = openImage(path);
  return readMediumDescription(file.read);
}

export function processors(text: string): number {
  if (!/^([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])$/.test(text)) throw new InvalidArgumentError("Write a number from 1 to 255.");
  return Number(text);
}

/** @throws AppError `FILE_UNREADABLE`, `NOT_BOOTABLE` */
export function kindOfFile(path: string): Bootable {
  try {
    using image = openImage(path);
    return bootableKind(image);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const what = { ENOENT: "there is no such file", EACCES: "it may not be read", EISDIR: "it is a folder" }[code ?? ""];
    if (!what) throw cause;
    throw new AppError("FILE_UNREADABLE", `${path} cannot be run: ${what}`, { hint: "Make one with `petrify build`.", cause });
  }
}

/**
 * @param kvm `--kvm`, `--no-kvm`, or neither
 * @param path whose kernel KVM is tried with
 * @param folder for what is needed meanwhile
 */
export async function acceleratorFor(
  host: VmHost,
  kvm: boolean | undefined,
  path: string,
  folder: string,
): Promise<AcceleratorChoice> {
  if (kvm === true) return { accelerator: "kvm", reason: "as asked for" };
  if (kvm === false) return { accelerator: "tcg", reason: "as asked for" };
  return await chooseAccelerator(host, async () => await kernelOf(host.tools, path, folder, host.signal));
}

/** `HOST:GUEST`, two ports; repeatable. */
export function forward(text: string, before: readonly Forward[] = []): readonly Forward[] {
  const [host, guest] = (/^(\d{1,5}):(\d{1,5})$/.exec(text) ?? []).slice(1).map(Number);
  const isPort = (port: number | undefined): port is number => port !== undefined && port > 0 && port < 65_536;
  if (!isPort(host) || !isPort(guest)) throw new InvalidArgumentError("Write HOST:GUEST, two ports, e.g. 2222:22.");
  return [...before, { host, guest }];
}

export function timeLimit(text: string): Seconds {
  const seconds = parseDuration(text);
  if (seconds === undefined) throw new InvalidArgumentError("Write a number and a unit: 90s, 20min, 1h.");
  return seconds;
}
