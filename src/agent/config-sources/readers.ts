/** How each place is read. */
import { driveNetwork, noCloudNetwork } from "../../config/machine/sources/network-data.ts";
import { ec2Meta, metaDocument, noCloudMeta, openStackMeta, type MetaData } from "../../config/machine/sources/meta-data.ts";
import { vendorDocument } from "../../config/machine/sources/vendor-data.ts";
import type { LabelledVolume } from "../../host/cloud-volumes.ts";
import {
  checkedUrl,
  CLOUD_LABEL,
  CONFIG_FOLDERS,
  configWords,
  DRIVE_LABEL,
  FW_CFG_NAME,
  IGNITION_NAME,
  isEc2Machine,
  serialSeed,
  type ConfigSourceName,
  type NoCloudSeed,
} from "../../layout/config-sources.ts";
import { INSTALLER_CONFIG } from "../../layout/machine-config-place.ts";
import type { Collector, Turn } from "./collector.ts";
import type { SourceMeans } from "./means.ts";
import type { Web } from "./web.ts";

export interface Surroundings {
  readonly means: SourceMeans;
  readonly web: Web;
  /** Every volume that may bring a config; looked for once. */
  readonly volumes: () => Promise<readonly LabelledVolume[]>;
}
type Reader = (found: Collector, surroundings: Surroundings) => Promise<void>;

/** Files of a place, lowest first, and what each comes to. */
type Files = Readonly<Record<string, Turn | undefined>>;
const turned =
  (read: (bytes: Uint8Array, origin: string) => MetaData | { readonly problem: string }): Turn =>
  (bytes, origin) => {
    const meta = read(bytes, origin);
    if ("problem" in meta) return meta;
    const text = metaDocument(meta);
    return text === undefined ? undefined : { text };
  };
const NOCLOUD: Files = {
  "vendor-data": undefined,
  "meta-data": turned(noCloudMeta),
  "network-config": noCloudNetwork,
  "user-data": undefined,
};
const DRIVE_FOLDER = "openstack/latest/";
const DRIVE: Files = {
  "vendor_data.json": vendorDocument,
  "vendor_data2.json": vendorDocument,
  "meta_data.json": turned(openStackMeta),
  "network_data.json": driveNetwork,
  user_data: undefined,
};

/** What {@link Surroundings.volumes} reads. */
export const WANTED_FILES = {
  [CLOUD_LABEL]: Object.keys(NOCLOUD),
  [DRIVE_LABEL]: Object.keys(DRIVE).map((name) => DRIVE_FOLDER + name),
};

export const READERS: Readonly<Record<ConfigSourceName, Reader>> = {
  image: readFolder(CONFIG_FOLDERS.image),
  oem: readFolder(CONFIG_FOLDERS.oem),
  local: async (found, surroundings) => {
    if (await surroundings.means.hasData()) await readFolder(CONFIG_FOLDERS.local)(found, surroundings);
    else found.keep((origin) => origin.startsWith(`${CONFIG_FOLDERS.local}/`));
  },
  medium: async (found, { means }) => {
    const bytes = await means.medium();
    if (bytes) found.add(bytes, INSTALLER_CONFIG);
  },
  nocloud: readNoCloud,
  "config-drive": async (found, { volumes }) => readVolume(found, await volumes(), DRIVE_LABEL, DRIVE, DRIVE_FOLDER),
  "fw-cfg": readFirmware,
  ec2: readEc2,
  cmdline: async (found, { means, web }) => {
    const { url, sha256 } = configWords(await means.cmdline());
    if (url === undefined) return;
    const checked = checkedUrl(url, sha256);
    if (checked !== undefined) return await web.ask(found, { url: checked });
    found.problems.push(
      "petrify.config_url of the kernel command line is not read: it takes a URL of http or https, and petrify.config_sha256 64 hexadecimal digits",
    );
  },
};

function readFolder(folder: string): Reader {
  return async (found, { means }) => {
    for (const file of await means.folder(folder)) {
      if ("bytes" in file) found.add(file.bytes, file.path);
      else found.problems.push(`${file.path}: ${file.problem}`);
    }
  };
}

async function readNoCloud(found: Collector, { means, web, volumes }: Surroundings): Promise<void> {
  readVolume(found, await volumes(), CLOUD_LABEL, NOCLOUD, "");
  const seeds = [serialSeed(await means.dmi()), configWords(await means.cmdline()).nocloud];
  for (const seed of seeds) if (seed) await readSeed(found, seed, web);
}

async function readSeed(found: Collector, { url, instance, hostname, problems }: NoCloudSeed, web: Web): Promise<void> {
  found.problems.push(...problems);
  if (url !== undefined) {
    for (const [name, turn] of Object.entries(NOCLOUD)) {
      const isOptional = name !== "user-data";
      await web.ask(found, { url: url + name }, { isOptional, ...(turn ? { turn } : {}) });
    }
  }
  const text = metaDocument({
    ...(instance === undefined ? {} : { instance }),
    ...(hostname === undefined ? {} : { hostname }),
    keys: [],
  });
  if (text !== undefined) found.add(new TextEncoder().encode(text), "nocloud/meta-data");
}

/** One that is gone has said what it had to say: many are only there for a machine's first boot. */
function readVolume(found: Collector, volumes: readonly LabelledVolume[], label: string, files: Files, folder: string): void {
  const [volume, ...others] = volumes.filter((one) => one.label === label);
  if (!volume) return void found.keep((origin) => origin.startsWith(`${label}/`));
  found.place = volume.device;
  if (others.length > 0)
    found.problems.push(`${others.map(({ device }) => device).join(", ")}: not read, ${volume.device} is labelled ${label}, too`);
  let isEmpty = true;
  for (const [name, turn] of Object.entries(files)) {
    const content = volume.files[folder + name]!;
    const origin = `${label}/${name}`;
    if ("bytes" in content) found.addOutside(content.bytes, origin, turn);
    else if (!content.isMissing) found.missed(`${origin}: ${content.problem}`, origin);
    isEmpty &&= "problem" in content && content.isMissing;
  }
  if (isEmpty) found.problems.push(`${volume.device} is labelled ${label}, and has no ${folder}${Object.keys(files).at(-1)}`);
}

async function readFirmware(found: Collector, { means }: Surroundings): Promise<void> {
  const origin = `fw_cfg/${FW_CFG_NAME}`;
  try {
    const bytes = await means.firmware(FW_CFG_NAME);
    if (bytes) return found.addOutside(bytes, origin);
    found.keep((one) => one === origin);
    if (await means.firmware(IGNITION_NAME)) found.problems.push(`fw_cfg/${IGNITION_NAME} is Ignition's, which is not read`);
  } catch (error) {
    found.missed(`${origin} cannot be read: ${(error as Error).message}`, origin);
  }
}

async function readEc2(found: Collector, { means, web }: Surroundings): Promise<void> {
  if (!isEc2Machine(await means.dmi()) && !configWords(await means.cmdline()).isEc2) return;
  const keep = (): boolean => found.keep((origin) => origin.startsWith("ec2/"));
  if (web.isLocal) {
    keep();
    found.isAwaited = true;
    return;
  }
  try {
    const { instance, hostname, keys, userData } = await means.ec2();
    const text = metaDocument(ec2Meta(instance, hostname, keys));
    if (text !== undefined) found.add(new TextEncoder().encode(text), "ec2/meta-data");
    if (userData) found.addOutside(userData, "ec2/user-data");
  } catch (error) {
    found.problems.push((error as Error).message);
    found.isAwaited = !keep();
  }
}
