/** @portable Where a machine's config may come from: places, labels, and words. docs/concepts/config.md, "Where it comes from" */
import { commandLineWords } from "./cmdline.ts";
import { PERSISTENT_FOLDER } from "./fstab.ts";

/** Lowest first: a later one wins. */
export const CONFIG_SOURCES = ["image", "oem", "local", "medium", "nocloud", "config-drive", "fw-cfg", "ec2", "cmdline"] as const;
export type ConfigSourceName = (typeof CONFIG_SOURCES)[number];

/** Folders whose documents are read by name. */
export const CONFIG_FOLDERS = {
  image: "/usr/lib/petrify/config.d",
  oem: "/oem",
  local: `${PERSISTENT_FOLDER}/cloud-config`,
} as const satisfies Partial<Record<ConfigSourceName, string>>;
/** A document of such a folder. Hidden ones, and copies that editors leave, are none. */
export const isConfigName = (name: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,200}\.ya?ml$/.test(name);
/** Somebody may have meant it to be one. */
export const isNearlyConfigName = (name: string): boolean => /\.ya?ml$/i.test(name) && !name.startsWith(".");

/** Source: cloud-init, "NoCloud" and "Config drive": either case */
export const CLOUD_LABEL = "cidata";
export const DRIVE_LABEL = "config-2";

/** Block devices without a volume of anybody's: shown files, memory, floppies, whose drives take seconds to say that they are empty. */
export const isNoVolume = (name: string): boolean => /^(?:loop|ram|zram|fd|dm-|md)\d/.test(name);

/** Files of QEMU's `-fw_cfg name=…`, each a folder with `raw`. Source: Linux, Documentation/ABI/testing/sysfs-firmware-qemu_fw_cfg */
export const FW_CFG_FOLDER = "/sys/firmware/qemu_fw_cfg/by_name";
export const FW_CFG_NAME = "opt/org.petrify/config";
/** Of others, whose language is not read: it is said where it is there alone. */
export const IGNITION_NAME = "opt/com.coreos/config";

/** What the firmware says of the machine. Source: Linux, Documentation/ABI/testing/sysfs-class-dmi (without a page), SMBIOS 3.7, 7.1 and 7.2 */
export const DMI_FOLDER = "/sys/class/dmi/id";
export const DMI_NAMES = ["product_serial", "product_uuid", "sys_vendor", "bios_vendor"] as const;
export type Dmi = { readonly [name in (typeof DMI_NAMES)[number]]?: string };

/** NoCloud as a command line or a serial number has it: `ds=nocloud;s=http://10.0.0.1/;i=web-1`. */
export interface NoCloudSeed {
  /** URL of a folder, with a slash at its end. */
  readonly url?: string;
  readonly instance?: string;
  readonly hostname?: string;
  /** What of it cannot be used, a sentence each. */
  readonly problems: readonly string[];
}

/** @param text `nocloud;KEY=VALUE;…` @returns nothing for another data source's Source: cloud-init, "NoCloud" */
export function noCloudSeed(text: string): NoCloudSeed | undefined {
  const [name, ...pairs] = text.trim().split(";");
  if (!/^nocloud(?:-net)?$/i.test(name!.trim())) return undefined;
  const seed: { url?: string; instance?: string; hostname?: string } = {};
  const problems: string[] = [];
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const [key, value] = at < 0 ? [pair.trim(), ""] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    if (key === "") continue;
    if (key === "i" || key === "instance-id") seed.instance = value;
    else if (key === "h" || key === "local-hostname") seed.hostname = value;
    else if (key !== "s" && key !== "seedfrom") problems.push(`ds=nocloud: ${key.slice(0, 40)} is not read`);
    else if (/__dmi\./.test(value)) problems.push("ds=nocloud: names of DMI in a URL are not filled in");
    else if (!/^https?:\/\/[^\s/]/i.test(value)) problems.push("ds=nocloud: s takes a URL of http or https");
    else seed.url = value.endsWith("/") ? value : `${value}/`;
  }
  return { ...seed, problems };
}

/** What the kernel's command line says of a config. */
export interface ConfigWords {
  /** Of `petrify.config_url`, else `config_url`; as it is written. */
  readonly url?: string;
  /** Of `petrify.config_sha256`. */
  readonly sha256?: string;
  readonly nocloud?: NoCloudSeed;
  readonly isEc2: boolean;
}

/** Reads `/proc/cmdline`. Never throws. */
export function configWords(cmdline: string): ConfigWords {
  const values = new Map(commandLineWords(cmdline)); // a word that is there twice counts the last time
  const url = values.get("petrify.config_url") ?? values.get("config_url");
  const sha256 = values.get("petrify.config_sha256");
  const source = values.get("ds") ?? "";
  const nocloud = noCloudSeed(source);
  return {
    ...(url === undefined ? {} : { url }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(nocloud ? { nocloud } : {}),
    isEc2: /^ec2$/i.test(source.split(";", 1)[0]!.trim()),
  };
}

/** NoCloud in the serial number of the machine: `ds=nocloud;…`. */
export const serialSeed = ({ product_serial = "" }: Dmi): NoCloudSeed | undefined =>
  product_serial.startsWith("ds=") ? noCloudSeed(product_serial.slice(3)) : undefined;

/** Whether the machine is one of Amazon EC2. Source: Amazon EC2, "Detect whether your host is an EC2 instance": Nitro, then Xen */
export const isEc2Machine = ({ product_uuid = "", product_serial = "", sys_vendor = "", bios_vendor = "" }: Dmi): boolean =>
  sys_vendor === "Amazon EC2" ||
  bios_vendor === "Amazon EC2" ||
  (/^ec2/i.test(product_uuid) && product_serial.toLowerCase() === product_uuid.toLowerCase());

const URL_FORM = /^https?:\/\/[^\s/]\S{0,2000}$/i;
const SHA256_FORM = /^(?:sha256:)?([0-9a-f]{64})$/i;

/**
 * A URL with what its bytes must come to at its end, `#sha256=…`.
 *
 * @param sha256 in hexadecimal digits, where it does not stand in the URL already
 * @returns nothing for what is none
 */
export function checkedUrl(url: string, sha256?: string): string | undefined {
  if (!URL_FORM.test(url)) return undefined;
  if (sha256 === undefined) return url;
  const digits = SHA256_FORM.exec(sha256)?.[1];
  return digits === undefined || url.includes("#") ? undefined : `${url}#sha256=${digits.toLowerCase()}`;
}
