/** @portable The kernel command line of a sealed image: its own words, and few others. docs/concepts/sealed.md */
import { commandLineWords } from "./cmdline.ts";

/** In the initrd of a sealed image: its words, as JSON. */
export const SEALED_WORDS_PATH = "/sealed.json";

/**
 * Words of every sealed image. No credentials from the firmware, the hypervisor or the command line: they can be units and users. No variable of the
 * firmware, which systemd would take for more words. No keys that reach into the kernel, from its first moment on.
 *
 * Source: kernel-command-line(7), `systemd.import_credentials=`; systemd, src/basic/proc-cmdline.c; Linux, Documentation/admin-guide/kernel-parameters.txt
 */
export const SEALED_WORDS = ["systemd.import_credentials=no", "efi=noruntime", "sysctl.kernel.sysrq=0"] as const;

/** Of the boot loader. `BOOT_IMAGE` is GRUB's. */
const OF_LOADER = /^(?:BOOT_IMAGE|petrify\.(?:slot|disk|file|trial))$/;
/** Of whoever serves a system that runs from memory: it brings the whole system, and may say what is to be installed. */
const OF_MEMORY =
  /^(?:BOOT_IMAGE|BOOTIF|initrd|ip|ds|(?:petrify\.)?config_url|petrify\.(?:slot|size|memory|medium|config_sha256|maintenance|installer|install\.\w+))$/;

/**
 * What a machine config may add: how much is said and where, what processors, memory and devices are used for, and what makes the kernel stricter. By names, with `_`
 * for `-`.
 */
const TUNING: readonly RegExp[] = [
  /^(?:quiet|loglevel|printk\.\w+|console|systemd\.(?:log_\w+|show_status|status_unit_format|cpu_affinity))$/,
  /^(?:isolcpus|nohz|nohz_full|rcu_nocbs|rcu_nocb_poll|irqaffinity|nosmt|numa|numa_balancing|tsc|clocksource|hpet|idle)$/,
  /^(?:(?:default_)?hugepages(?:z)?|default_hugepagesz|hugepagesz|transparent_hugepage|zswap\.\w+|cgroup_\w+|cgroup\.memory|psi|swapaccount)$/,
  /^(?:(?:intel|amd)_iommu|iommu(?:\.\w+)?|(?:intel|amd)_pstate|cpu(?:freq|idle)\.\w+|(?:processor|intel_idle)\.max_cstate)$/,
  /^(?:net\.ifnames|biosdevname|ipv6\.disable|pcie_aspm|pci|video|nomodeset|nvme(?:_core)?\.\w+|libata\.\w+|scsi_mod\.\w+|usbcore\.\w+)$/,
  /^(?:audit|audit_backlog_limit|apparmor|slab_nomerge|randomize_kstack_offset|lockdown|random\.trust_cpu)$/,
];
/** What only one value makes stricter. */
const STRICTER =
  /^(?:mitigations=auto(?:,nosmt)?|init_on_(?:alloc|free)=1|page_alloc\.shuffle=1|vsyscall=none|debugfs=off|module\.sig_enforce(?:=1)?)$/;

/** Why a machine config cannot add a word on a sealed image; nothing where it can. */
export function sealedArgProblem(word: string): string | undefined {
  const name = word.split("=", 1)[0]!.replaceAll("-", "_");
  return STRICTER.test(word) || TUNING.some((pattern) => pattern.test(name)) ? undefined : "is no word that a sealed image takes";
}

/**
 * What a boot of a sealed image was told that it does not take, or was not told that it needs.
 *
 * @param words the image's own
 * @returns a sentence's end, or nothing
 */
export function commandLineProblem(text: string, words: readonly string[]): string | undefined {
  const given = commandLineWords(text);
  const own = new Set(words.flatMap((word) => commandLineWords(word)).map(asWord));
  const isFromMemory = given.some(([name, value]) => name === "petrify.slot" && value === "ram");
  const foreign = given.find(
    ([name, value]) =>
      !own.has(asWord([name, value])) &&
      name !== "petrify.roothash" &&
      !(isFromMemory ? OF_MEMORY : OF_LOADER).test(name) &&
      sealedArgProblem(asWord([name, value])) !== undefined,
  );
  if (foreign) return `has a word that a sealed image does not take: ${foreign[0].slice(0, 80)}`;
  const all = new Set(given.map(asWord));
  const missing = SEALED_WORDS.find((word) => !all.has(word));
  return missing === undefined ? undefined : `lacks ${missing}, which a sealed image needs`;
}

const asWord = ([name, value]: readonly [name: string, value: string]): string => (value === "" ? name : `${name}=${value}`);
