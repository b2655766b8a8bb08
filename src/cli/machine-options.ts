/** Options of commands that start virtual machines. */
import { InvalidArgumentError } from "commander";
import { AppError } from "../core/error.ts";
import { GiB, parseDuration, parseSize, type Bytes, type Seconds } from "../core/units.ts";
import { openImage } from "../host/image-file.ts";
import { bootableKind, kernelOf, type Bootable } from "../vm/bootable.ts";
import { chooseAccelerator, type AcceleratorChoice } from "../vm/kvm.ts";
import type { Forward } from "../vm/options.ts";
import type { VmHost } from "../vm/vm.ts";

export const DEFAULT_MEMORY: Bytes = 1 * GiB;

export function memorySize(text: string): Bytes {
  try {
    return parseSize(text);
  } catch (error) {
    const { message, hint } = error as AppError;
    throw new InvalidArgumentError(`${message}. ${hint}`);
  }
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
