/** @portable What a running image mounts: persistent folders as overlays, data partitions, /tmp. docs/concepts/persistence.md */
import type { ImageFacts } from "./image-facts.ts";

/** Where the initrd leaves what the rest of the boot needs. */
export const RUN_FOLDER = "/run/petrify";
/** The image's own root file system, without anything mounted over it: lower layer of every overlay. */
export const IMAGE_ROOT = `${RUN_FOLDER}/root`;
/** The file system that holds the image's file, read-only. */
export const IMAGES_FOLDER = `${RUN_FOLDER}/images`;
/** Lower layer of a persistent folder that the image does not have. */
export const EMPTY_FOLDER = `${RUN_FOLDER}/empty`;
/** What is left of early boot, in the image: src/initrd/init.ts */
export const EARLY_PROGRAM = "/usr/lib/petrify/petrify-early";
/** A tmpfs: upper layers of /etc and /var. */
export const EPHEMERAL_FOLDER = `${RUN_FOLDER}/ephemeral`;

/**
 * Links to the device nodes of the data partitions, named like them.
 *
 * The initrd has found them. Under `/dev` systemd would wait until udev has worked its way to the disk: seconds, of a boot that waits for
 * nothing else. Source: systemd.mount(5), systemd.device(5).
 */
export const DEVICES_FOLDER = `${RUN_FOLDER}/dev`;

/** Is there when the persistent file system is smaller than its partition. `petrify-grow.service` */
export const GROWTH_WANTED = `${RUN_FOLDER}/grow-persistent`;

/** Where the persistent partition is mounted. */
export const PERSISTENT_FOLDER = "/usr/local";
/** petrify's own, on the persistent partition; only root gets there. */
const OWN_FOLDER = `${PERSISTENT_FOLDER}/.petrify`;
const OVERLAYS = `${OWN_FOLDER}/overlay`;
/** What to make the image's again at the next boot. docs/formats/reset-request.md */
export const RESET_REQUEST_PATH = `${OWN_FOLDER}/reset.json`;
/** What the image's files were when they were copied up. docs/formats/seen-files.md */
export const SEEN_FILES_PATH = `${OWN_FOLDER}/seen.json`;
/**
 * Empty folders that are given back before the overlays are mounted: the kernel makes files for each, which a file system without room would refuse,
 * and with them everything that is kept. `ovl_make_workdir` in fs/overlayfs/super.c
 */
export const RESERVE_FOLDER = `${OWN_FOLDER}/reserve`;
export const RESERVE_COUNT = 64;
/** Makes the folders that the overlays need. */
const PERSIST_UNIT = "petrify-persist.service";

/** Without any of these the kernel may not allow that the lower layer is another image's at the next boot. */
export const OVERLAY_FEATURES = "index=off,metacopy=off,redirect_dir=off,xino=off";

/** A data partition that cannot be mounted is a degraded boot, not a failed one; the rest of the boot waits for it all the same. */
const OPTIONAL = "nofail,x-systemd.before=local-fs.target";
const CLOSED = "nosuid,nodev,noexec";
/** Flags of the folders whose use is known. */
const FLAGS: Readonly<Record<string, string>> = { "/home": "nosuid,nodev", "/var/log": CLOSED };
/** Where containers keep images and layers: programs of theirs are executed, whatever the image of the machine is. */
const CONTAINER_STORES: readonly string[] = ["/var/lib/containers", "/var/lib/containerd", "/var/lib/docker"];
/** Those of a persistent folder, as an fstab has them; empty for none. */
export const persistentFlags = (path: string, profile?: ImageFacts["profile"]): string =>
  profile !== "sealed" ? (FLAGS[path] ?? "") : CONTAINER_STORES.some((store) => isIn(path, store)) ? "nodev" : CLOSED;
const isIn = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

/** Mount points that the image must hold, the persistent folders besides. */
export const MOUNT_POINTS = ["/dev", "/etc", "/oem", "/proc", "/run", "/sys", "/tmp", PERSISTENT_FOLDER, "/var"] as const;

/** What data partitions a disk may have; one that is missing is done without. */
export const DATA_PARTITIONS = ["oem", "persistent"] as const;
export type DataPartition = (typeof DATA_PARTITIONS)[number];

export interface PersistentOverlay {
  /** The folder, as programs see it. */
  readonly path: string;
  /** The same folder in the image. */
  readonly lower: string;
  /** What was written to it. */
  readonly upper: string;
  /** Used by the kernel; on the same file system as `upper`. */
  readonly work: string;
  /** What was taken out of `upper` at boot and is about to be deleted. */
  readonly discarded: string;
}

/**
 * Where the layers of a persistent folder are.
 *
 * The name below {@link OVERLAYS} is the path with `/` as `-`, and any character but letters, digits and `.` as `_` and its code:
 * no two paths share one, and none needs quoting in an fstab or in an overlay's options.
 */
export function persistentOverlay(path: string): PersistentOverlay {
  const name = path
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll(/[^A-Za-z0-9.]/gu, (c) => `_${c.codePointAt(0)!.toString(16)}_`))
    .join("-");
  const layers = `${OVERLAYS}/${name}`;
  return {
    path,
    lower: `${IMAGE_ROOT}${path}`,
    upper: `${layers}/upper`,
    work: `${layers}/work`,
    discarded: `${layers}/discarded`,
  };
}

/** Whether a folder can be an overlay: absolute, normal, and of characters that need no quoting in mount options. */
export const isMountablePath = (path: string): boolean => /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9@_.+-]+)+$/.test(path);

interface FstabOptions {
  /** systemd reads options that begin with `x-systemd.`; busybox's mount would give them to the kernel, which refuses them. */
  readonly init?: "systemd" | "openrc" | undefined;
  /** Those of the paths that the image does not have. */
  readonly lacking?: ReadonlySet<string>;
  readonly profile?: ImageFacts["profile"];
}

/**
 * The fstab of a boot.
 *
 * Paths that cannot be mounted are left out: {@link isMountablePath} tells which. Without a persistent partition everything is the same on a
 * tmpfs: programs find the same folders, which start empty at each boot.
 *
 * Of a sealed image nothing is executed that was written to.
 */
export function fstab(
  partitions: ReadonlySet<DataPartition>,
  paths: readonly string[],
  { init = "systemd", lacking = new Set(), profile }: FstabOptions = {},
): string {
  const isSealed = profile === "sealed";
  const lines = [
    "# Made at boot by petrify's initrd; changes are lost. Persistent folders are declared in the recipe and the machine config.",
    `tmpfs /tmp tmpfs mode=1777,${isSealed ? CLOSED : "nosuid,nodev"},size=50% 0 0`,
    ...(partitions.has("oem") ? [dataLine("oem", "/oem", CLOSED)] : []),
    partitions.has("persistent")
      ? dataLine("persistent", PERSISTENT_FOLDER, isSealed ? CLOSED : "nodev")
      : `tmpfs ${PERSISTENT_FOLDER} tmpfs mode=0755,${isSealed ? CLOSED : "nodev"},size=50% 0 0`,
    ...paths
      .filter(isMountablePath)
      .toSorted()
      .map((path) => overlayLine(path, lacking.has(path), profile)),
  ];
  const text = `${lines.join("\n")}\n`;
  return init === "systemd" ? text : text.replaceAll(/,x-systemd\.[^, ]*/g, "");
}

/** Checked by a unit of petrify's: systemd's own check is for nodes under `/dev`. */
function dataLine(name: DataPartition, folder: string, flags: string): string {
  // Damage that the kernel comes upon: nothing more is written over it, and the agent says so.
  return `${DEVICES_FOLDER}/${name} ${folder} ext4 ${flags},errors=remount-ro,x-systemd.requires=petrify-fsck@${name}.service,${OPTIONAL} 0 0`;
}

function overlayLine(path: string, isLacking: boolean, profile: ImageFacts["profile"]): string {
  const flags = persistentFlags(path, profile);
  const { lower, upper, work } = persistentOverlay(path);
  const layers = `lowerdir=${isLacking ? EMPTY_FOLDER : lower},upperdir=${upper},workdir=${work}`;
  const order = `x-systemd.requires=${PERSIST_UNIT},x-systemd.requires-mounts-for=${PERSISTENT_FOLDER}`;
  return `overlay ${path} overlay ${flags === "" ? "" : `${flags},`}${layers},${OVERLAY_FEATURES},${order},${OPTIONAL} 0 0`;
}
