import { dirname, join } from "node:path";
import { AppError } from "../core/error.ts";
import { fileExists, makeFolder, readBytes, readText } from "../host/files.ts";
import type { Tools } from "../host/tools.ts";
import type { Kernel } from "./kernel.ts";
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
  // what a machine config may come by, before anything else loads drivers
  ...["qemu_fw_cfg", "sr_mod"],
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
 * The modules of an initrd out of a root file system, where they lie decompressed; none of a kernel that has everything built in.
 *
 * @param work an existing folder for intermediate files
 * @throws AppError `KERNEL_INCOMPLETE` when depmod's files are missing, or a module that they name
 */
export async function initrdModules(
  tools: Tools,
  { version, modules: folder }: Pick<Kernel, "version" | "modules">,
  work: string,
  signal?: AbortSignal,
): Promise<InitrdModules> {
  if (folder === undefined) {
    const index = indexModules({ dep: "", alias: "", softdep: "" }, BY_DEVICE, ALWAYS);
    return { index: { ...index, verityOptions: verityOptions(undefined, version) }, files: new Map() };
  }
  const read = async (name: string): Promise<string> =>
    await readText(join(folder, name)).catch((cause: unknown) => {
      throw incomplete(`there is no ${name} among the kernel's modules`, cause);
    });
  const texts = { dep: await read("modules.dep"), alias: await read("modules.alias"), softdep: await read("modules.softdep") };
  const index = indexModules(texts, BY_DEVICE, ALWAYS);
  const wanted = Object.values(index.modules).map(({ file }) => file);
  for (const file of wanted) {
    if (!(await fileExists(join(folder, file)))) throw incomplete(`modules.dep names ${file}, which is not there`);
  }
  const copies = join(work, "modules");
  await makeFolder(copies);
  const options = { binds: [{ source: folder }, { source: copies, writable: true }], cwd: folder, signal };
  if (wanted.length > 0)
    await tools.run(["cp", "--parents", "--no-preserve=mode", "--target-directory", copies, "--", ...wanted], options);
  const files = new Map<string, Uint8Array>();
  for (const file of wanted.toSorted()) files.set(file, await readBytes(join(copies, file)));
  return { index: { ...index, verityOptions: verityOptions(files.get(index.modules["dm_verity"]?.file ?? ""), version) }, files };
}

/**
 * The target's version does not tell (1.9 in Linux 6.1 without and in 6.12 with the option), and asking in vain is an error on the console.
 *
 * @param target the module; of one that is built in only the kernel's version is known
 */
function verityOptions(target: Uint8Array | undefined, version: string): string[] {
  if (target) return WANTED_VERITY_OPTIONS.filter((option) => Buffer.from(target).includes(`\0${option}\0`));
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 12) ? [...WANTED_VERITY_OPTIONS] : [];
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
