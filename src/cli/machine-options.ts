/** Options of commands that start virtual machines. */
import { InvalidArgumentError } from "commander";
import { AppError } from "../core/error.ts";
import { GiB, parseSize, type Bytes } from "../core/units.ts";
import { openImage } from "../host/image-file.ts";
import { bootableKind, kernelOf, type Bootable } from "../vm/bootable.ts";
import { chooseAccelerator, type AcceleratorChoice } from "../vm/kvm.ts";
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
