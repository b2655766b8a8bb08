import { dirname, join } from "node:path";
import { AppError } from "../core/error.ts";
import { fileExists, makeFolder, readBytes, readText } from "../host/files.ts";
import type { Tools } from "../host/tools.ts";
import { indexModules, type ModuleIndex } from "../layout/kernel-modules.ts";

/** What reaches a root, what it is made of, and what every init asks for first, on any machine. */
const ALWAYS = [
  "loop",
  "dm_mod",
  "dm_verity",
  "erofs",
  "overlay",
  "ext4",
  "sha256_generic",
  "crc32c_generic",
  "crc32c_cryptoapi",
  "autofs4",
  "configfs",
  "efi_pstore",
];

/** What reaches the disk and has to be there early, chosen by the machine's devices. Kernels without one of these have it built in, or not at all. */
const BY_DEVICE = [
  // by CPU: dm-verity takes the fastest SHA-256 that is there when the root is set up
  "sha256_ssse3",
  // virtual machines
  ...["virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi", "hv_vmbus", "hv_storvsc", "vmw_pvscsi", "xen_blkfront"],
  // before the agent: its sandbox lets in the devices of the drivers that are there when it starts
  "virtio_console",
  // SATA, NVMe, SCSI
  ...["sd_mod", "ahci", "ata_piix", "ata_generic", "sata_mv", "sata_nv", "sata_sil", "sata_sil24", "sata_via", "nvme", "vmd"],
  ...["mptspi", "mptsas", "mpt3sas", "megaraid_sas", "aacraid", "hpsa", "smartpqi", "sym53c8xx"],
  // USB
  ...["xhci_pci", "ehci_pci", "ohci_pci", "uhci_hcd", "usb_storage", "uas"],
  // SD cards and eMMC
  ...["sdhci_pci", "sdhci_acpi", "mmc_block", "rtsx_pci", "rtsx_pci_sdmmc"],
  // watchdogs; iTCO's device is made by one of the two chips it sits in
  ...["i6300esb", "iTCO_wdt", "lpc_ich", "i2c_i801", "sp5100_tco", "wdat_wdt", "hpwdt"],
];

/** A block that cannot be read at all restarts the machine too, where the kernel can: the other slot may be readable. */
const WANTED_VERITY_OPTIONS = ["restart_on_error"];

export interface InitrdModules {
  readonly index: ModuleIndex;
  /** Decompressed; by path below the modules folder. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * The modules of an initrd out of a root file system, however they are compressed there.
 *
 * @param folder of the kernel's modules on the host
 * @param work an existing folder for intermediate files
 * @throws AppError `KERNEL_INCOMPLETE` when depmod's files are missing, or a module that they name
 */
export async function initrdModules(tools: Tools, folder: string, work: string, signal?: AbortSignal): Promise<InitrdModules> {
  const read = async (name: string): Promise<string> =>
    await readText(join(folder, name)).catch((cause: unknown) => {
      throw incomplete(`there is no ${name} among the kernel's modules`, cause);
    });
  const texts = { dep: await read("modules.dep"), alias: await read("modules.alias"), softdep: await read("modules.softdep") };
  const index = indexModules(texts, BY_DEVICE, ALWAYS);
  const wanted = Object.values(index.modules).map(({ file }) => file);
  const paths = await Promise.all(wanted.map(async (file) => await storedPath(folder, file)));
  const copies = join(work, "modules");
  await makeFolder(copies);
  const options = { binds: [{ source: folder }, { source: copies, writable: true }], cwd: folder, signal };
  await tools.run(["cp", "--parents", "--no-preserve=mode", "--target-directory", copies, "--", ...paths], options);
  for (const [suffix, decompress] of [
    [".xz", ["xz", "--decompress"]],
    [".zst", ["zstd", "--decompress", "--quiet", "--rm"]],
    [".gz", ["gzip", "--decompress"]],
  ] as const) {
    const compressed = paths.filter((path) => path.endsWith(suffix));
    if (compressed.length > 0) await tools.run([...decompress, "--", ...compressed], { ...options, cwd: copies });
  }
  const files = new Map<string, Uint8Array>();
  for (const file of wanted.toSorted()) files.set(file, await readBytes(join(copies, file)));
  return { index: { ...index, verityOptions: verityOptions(files) }, files };
}

/** The target's version does not tell (1.9 in Linux 6.1 without and in 6.12 with the option), and asking in vain is an error on the console. */
function verityOptions(files: ReadonlyMap<string, Uint8Array>): string[] {
  const target = files.get("kernel/drivers/md/dm-verity.ko") ?? new Uint8Array(0);
  return WANTED_VERITY_OPTIONS.filter((option) => Buffer.from(target).includes(`\0${option}\0`));
}

async function storedPath(folder: string, file: string): Promise<string> {
  for (const suffix of ["", ".xz", ".zst", ".gz"]) if (await fileExists(join(folder, file + suffix))) return file + suffix;
  throw incomplete(`modules.dep names ${file}, which is not there`);
}

/** Folders that hold the files, outermost first, each once, in a fixed order. */
export function foldersOf(files: Iterable<string>): string[] {
  const folders = new Set<string>();
  for (const file of files) for (let at = dirname(file); at !== "." && at !== "/"; at = dirname(at)) folders.add(at);
  return [...folders].toSorted();
}

const incomplete = (what: string, cause?: unknown): AppError =>
  new AppError("KERNEL_INCOMPLETE", `the kernel's modules are incomplete: ${what}`, {
    hint: "Install the kernel by its package, whose scripts run depmod.",
    cause,
  });
