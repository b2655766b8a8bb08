import { join } from "node:path";
import { zstdCompressSync, constants as zlib } from "node:zlib";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { fileExists, listFolder, readBytes } from "../host/files.ts";
import type { Tools } from "../host/tools.ts";
import { writeBytes } from "../host/write-bytes.ts";
import { CPIO_CHARACTER, CPIO_FILE, CPIO_FOLDER, encodeCpio, type CpioEntry } from "../layout/cpio.ts";
import { MODULE_INDEX, MODULES_FOLDER } from "../layout/kernel-modules.ts";
import { SEALED_WORDS_PATH } from "../layout/sealed-cmdline.ts";
import { earlyProgram } from "./early-program.ts";
import type { Kernel } from "./kernel.ts";
import { foldersOf, initrdModules } from "./kernel-modules.ts";

export type CpuVendor = "intel" | "amd";

export interface InitrdInput {
  /** Unpacked root file system, on the host; its kernel's modules are configured (depmod). */
  readonly root: string;
  readonly kernel: Pick<Kernel, "version" | "modules">;
  /** Of every file, in seconds since 1970. */
  readonly sourceDateEpoch: number;
  /** CPUs whose microcode the root holds and the kernel is to load before anything else. */
  readonly microcode?: readonly CpuVendor[];
  /** All words of an image that takes no others; nothing of an open one. */
  readonly sealedWords?: readonly string[];
  /** Default `none`: between two images only what has changed differs. */
  readonly compression?: "none" | "zstd";
}

/** Where Debian's packages put microcode, and what the kernel calls it. Source: Linux, Documentation/arch/x86/microcode.rst */
const MICROCODE = {
  intel: { folder: "usr/lib/firmware/intel-ucode", file: "GenuineIntel.bin", of: /^[0-9a-f]{2}-[0-9a-f]{2}-[0-9a-f]{2}$/ },
  amd: { folder: "usr/lib/firmware/amd-ucode", file: "AuthenticAMD.bin", of: /^microcode_amd.*\.bin$/ },
} as const satisfies Readonly<Record<CpuVendor, { folder: string; file: string; of: RegExp }>>;

/**
 * The initrd of an image: one static program, the drivers that reach a root, and an index of them. The same input gives the same bytes.
 *
 * @param output path of the file to write
 * @param work an existing folder for intermediate files
 * @returns its size
 * @throws AppError `KERNEL_INCOMPLETE`, `MICROCODE_MISSING`
 */
export async function buildInitrd(
  tools: Tools,
  input: InitrdInput,
  output: string,
  work: string,
  signal?: AbortSignal,
): Promise<Bytes> {
  const { root, kernel, sourceDateEpoch, microcode = [], sealedWords, compression = "none" } = input;
  const program = await readBytes(await earlyProgram(tools, work, signal));
  const modules = await initrdModules(tools, kernel, work, signal);
  const index = new TextEncoder().encode(JSON.stringify(modules.index));
  const files = new Map([...modules.files].map(([path, data]) => [inArchive(`${MODULES_FOLDER}/${path}`), data]));
  files.set(inArchive(MODULE_INDEX), index);
  if (sealedWords) files.set(inArchive(SEALED_WORDS_PATH), new TextEncoder().encode(JSON.stringify(sealedWords)));
  const entries: CpioEntry[] = [
    ...["dev", ...foldersOf(files.keys())].map((path) => ({ path, mode: CPIO_FOLDER | 0o755 })),
    { path: "dev/console", mode: CPIO_CHARACTER | 0o600, device: [5, 1] }, // where the kernel points init's output
    { path: "init", mode: CPIO_FILE | 0o755, data: program },
    ...[...files].map(([path, data]) => ({ path, mode: CPIO_FILE | 0o644, data })),
  ];
  const archive = encodeCpio(entries, sourceDateEpoch);
  const main = compression === "zstd" ? zstdCompressSync(archive, { params: { [zlib.ZSTD_c_compressionLevel]: 19 } }) : archive;
  const early = microcode.length > 0 ? [encodeCpio(await microcodeEntries(root, microcode), sourceDateEpoch)] : [];
  return await writeBytes(output, [...early, main]);
}

const inArchive = (path: string): string => path.slice(1);

/** CPUs whose microcode a root holds. */
export async function microcodeIn(root: string): Promise<CpuVendor[]> {
  const vendors: CpuVendor[] = [];
  for (const vendor of ["amd", "intel"] as const) {
    const { folder, of } = MICROCODE[vendor];
    const path = join(root, folder);
    if ((await fileExists(path)) && (await listFolder(path)).some((name) => of.test(name))) vendors.push(vendor);
  }
  return vendors;
}

/** An archive of its own, never compressed, in front of the other. */
async function microcodeEntries(root: string, vendors: readonly CpuVendor[]): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = ["kernel", "kernel/x86", "kernel/x86/microcode"].map((path) => ({
    path,
    mode: CPIO_FOLDER | 0o755,
  }));
  for (const vendor of vendors.toSorted()) {
    const { folder, file, of } = MICROCODE[vendor];
    const path = join(root, folder);
    const names = (await fileExists(path)) ? (await listFolder(path)).filter((name) => of.test(name)) : [];
    if (names.length === 0) {
      throw new AppError("MICROCODE_MISSING", `the root file system holds no ${vendor} microcode in /${folder}`, {
        hint: "Install the package that brings it.",
      });
    }
    const parts = await Promise.all(names.map(async (name) => await readBytes(join(path, name))));
    entries.push({ path: `kernel/x86/microcode/${file}`, mode: CPIO_FILE | 0o644, data: Buffer.concat(parts) });
  }
  return entries;
}
