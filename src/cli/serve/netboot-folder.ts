import { join } from "node:path";
import { AppError } from "../../core/error.ts";
import type { Bytes } from "../../core/units.ts";
import { requireChecksums } from "../../host/checksum.ts";
import { fileSize, isFolder, readText } from "../../host/files.ts";
import { parseCommandLine, type BootArguments } from "../../layout/cmdline.ts";
import { memoryThroughIpxe, NETBOOT_FILES } from "../../layout/netboot.ts";
import type { CliContext } from "../context.ts";
import { kindOfFile } from "../machine-options.ts";

/** @throws AppError `NETBOOT_INVALID`, and what {@link kindOfFile} throws */
export async function requireNetbootSource(path: string): Promise<"folder" | "image"> {
  if (await isFolder(path)) return "folder";
  if (kindOfFile(path) === "system-image") return "image";
  throw new AppError("NETBOOT_INVALID", `${path} is no system image: only that can be booted from memory`, {
    hint: "Name the image (.img), or the folder that `petrify build --output netboot` wrote.",
  });
}

/** By firmware. */
export interface NetbootMemory {
  readonly bios: Bytes;
  readonly uefi: Bytes;
}
export interface NetbootFolder {
  readonly cmdline: string;
  /** That machines need, where the build has said it. */
  readonly memory: NetbootMemory | undefined;
  readonly sizes: { readonly kernel: Bytes; readonly initrd: Bytes };
}

/**
 * What is served of a folder that `petrify build --output netboot` wrote; its files are compared with their checksums.
 *
 * @throws AppError `NETBOOT_INVALID`, `CHECKSUM_WRONG`
 */
export async function netbootFolder(folder: string, { progress, signal }: CliContext): Promise<NetbootFolder> {
  const invalid = (why: string, cause?: unknown): AppError =>
    new AppError("NETBOOT_INVALID", `${folder} is not what a machine boots from the network: ${why}`, {
      hint: "Name the folder that `petrify build --output netboot` wrote, or a system image.",
      cause,
    });
  const { kernel, initrd, cmdline: words } = NETBOOT_FILES;
  const sizeOf = async (name: string): Promise<Bytes> =>
    await fileSize(join(folder, name)).catch((cause: unknown) => {
      throw invalid(`it has no ${name}`, cause);
    });
  const sizes = { kernel: await sizeOf(kernel), initrd: await sizeOf(initrd) };
  await sizeOf(words);
  const cmdline = (await readText(join(folder, words))).trimEnd();
  if (!/^[\x20-\x7e]+$/.test(cmdline) || cmdline.includes("${")) throw invalid(`${words} is not one line of plain text`);
  const boot = parsed(cmdline, (cause) => invalid((cause as Error).message, cause));
  if (boot.slot !== "ram") throw invalid(`by ${words} its image is on a disk`);
  await progress.step(
    "compare the files with their checksums",
    async () => await requireChecksums(folder, [kernel, initrd, words], signal),
  );
  const { memory } = boot;
  return {
    cmdline,
    memory: memory === undefined ? undefined : { bios: memory, uefi: memoryThroughIpxe(memory, sizes.initrd) },
    sizes,
  };
}

function parsed(cmdline: string, invalid: (cause: unknown) => AppError): BootArguments {
  try {
    return parseCommandLine(cmdline);
  } catch (cause) {
    throw invalid(cause);
  }
}
