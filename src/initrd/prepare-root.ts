/** @portable Makes a read-only image a running system: what it may write to, who it is, what it mounts. docs/concepts/persistence.md */
import { DISK_PARTITIONS, type DiskPartition } from "../layout/disk.ts";
import {
  DATA_PARTITIONS,
  type DataPartition,
  DEVICES_FOLDER,
  EMPTY_FOLDER,
  EPHEMERAL_FOLDER,
  fstab,
  IMAGE_ROOT,
  isMountablePath,
  OVERLAY_FEATURES,
} from "../layout/fstab.ts";
import { IMAGE_FACTS_PATH, parseImageFacts, type ImageFacts } from "../layout/image-facts.ts";
import type { RunFacts, RunPartition } from "../layout/run-facts.ts";
import { partitionDevice, type Disk } from "./block-devices.ts";
import { setClockForward } from "./clock.ts";
import { configFolders, lackingFolders } from "./config-folders.ts";
import { MOUNT_FLAGS, type Sys } from "./sys.ts";

/** Folders of the image that can be written to, and forget it at a reboot. */
const EPHEMERAL = ["etc", "var"] as const;

export interface Surroundings {
  /** Of the disk, by name; none where the boot came from no disk. */
  readonly partitions: RunFacts["partitions"] | undefined;
  /** Nothing when this machine's own could not be found. */
  readonly machineId: string | undefined;
  /** Persistent folders of the machine config. */
  readonly persistent: readonly string[];
  /** Sentences about what this boot has to do without are added. */
  readonly notes: string[];
  /** The data partitions are about to be wiped, so none is mounted. */
  readonly isResetting: boolean;
}

/** @returns what the image says about itself, if it does, with the persistent folders that the machine config adds */
export function prepareRoot(
  sys: Sys,
  root: string,
  { partitions, machineId, persistent, notes, isResetting }: Surroundings,
): ImageFacts | undefined {
  const { bind, readOnly, noSuid, noDevices, noExec } = MOUNT_FLAGS;
  sys.makeFolder(IMAGE_ROOT);
  sys.mount(root, IMAGE_ROOT, { flags: bind | readOnly });
  const image = readFacts(sys, root, notes); // of /usr, which is the image's own
  sys.makeFolder(EPHEMERAL_FOLDER);
  sys.mount("tmpfs", EPHEMERAL_FOLDER, {
    ...{ type: "tmpfs", data: "mode=0755,size=50%" },
    flags: image?.profile === "sealed" ? noSuid | noDevices | noExec : noSuid | noDevices,
  });
  for (const name of EPHEMERAL) mountEphemeral(sys, root, name, image?.profile);
  setClockForward(sys, image?.created ?? 0, partitions?.record?.device);
  const data = isResetting ? new Set<DataPartition>() : linkDataPartitions(sys, partitions ?? {});
  if (isResetting) notes.push("this machine is being reset: its data partitions are not mounted");
  if (partitions && !isResetting && !data.has("oem")) notes.push("the disk has no oem partition: there is no machine config");
  if (partitions && !isResetting && !data.has("persistent"))
    notes.push("the disk has no persistent partition: everything written is lost at the next boot");
  const paths = image?.persistent ?? [];
  for (const path of paths) {
    if (!isMountablePath(path)) notes.push(`${JSON.stringify(path)} cannot be persistent: its name does not fit a mount option`);
  }
  const added = configFolders(sys, root, paths, persistent, notes);
  const lacking = lackingFolders(sys, added);
  if (lacking.size > 0) sys.makeFolder(EMPTY_FOLDER);
  sys.writeText(
    `${root}/etc/fstab`,
    fstab(data, [...paths, ...added], { init: image?.init?.kind, lacking, profile: image?.profile }),
  );
  if (machineId === undefined)
    notes.push("this machine's identity cannot be read: it has another machine-id until the next boot");
  // An empty file is for systemd to fill, for one boot. Source: machine-id(5)
  sys.writeText(`${root}/etc/machine-id`, machineId === undefined ? "" : `${machineId}\n`);
  return image && { ...image, persistent: [...paths, ...added] };
}

/** Partitions of the disk by name, as far as they have a device node. */
export function diskPartitions(sys: Sys, disk: Disk): { [name in DiskPartition]?: RunPartition } {
  const found: { [name in DiskPartition]?: RunPartition } = {};
  for (const name of DISK_PARTITIONS) {
    const partition = disk.gpt.partitions.find((candidate) => candidate.name === name);
    const device = partition && partitionDevice(sys, disk.name, partition);
    if (device) found[name] = { guid: partition.guid, device };
  }
  return found;
}

function linkDataPartitions(sys: Sys, partitions: RunFacts["partitions"]): ReadonlySet<DataPartition> {
  sys.makeFolder(DEVICES_FOLDER);
  const linked = new Set<DataPartition>();
  for (const name of DATA_PARTITIONS) {
    const device = partitions[name]?.device;
    if (device === undefined) continue;
    sys.makeLink(`${DEVICES_FOLDER}/${name}`, device);
    linked.add(name);
  }
  return linked;
}

function mountEphemeral(sys: Sys, root: string, name: string, profile: ImageFacts["profile"]): void {
  const { noSuid, noDevices, noExec } = MOUNT_FLAGS;
  const layers = `${EPHEMERAL_FOLDER}/${name}`;
  for (const folder of [layers, `${layers}/upper`, `${layers}/work`]) sys.makeFolder(folder);
  sys.setOwner(`${layers}/upper`, sys.status(`${root}/${name}`)); // the upper layer's is what programs see
  sys.mount("overlay", `${root}/${name}`, {
    type: "overlay",
    flags: profile === "sealed" ? noSuid | noDevices | noExec : noDevices,
    data: `lowerdir=${IMAGE_ROOT}/${name},upperdir=${layers}/upper,workdir=${layers}/work,${OVERLAY_FEATURES}`,
  });
}

function readFacts(sys: Sys, root: string, notes: string[]): ImageFacts | undefined {
  try {
    return parseImageFacts(sys.readText(root + IMAGE_FACTS_PATH));
  } catch (error) {
    notes.push(`the image does not say what it is: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
