/** @portable Owners of persistent files, and layers of persistent folders, once the partition that keeps them is mounted. docs/concepts/persistence.md */
import {
  EMPTY_FOLDER,
  IMAGE_ROOT,
  isMountablePath,
  PERSISTENT_FOLDER,
  persistentOverlay,
  RESERVE_FOLDER,
} from "../layout/fstab.ts";
import type { PersistentIds } from "../layout/persistent-ids.ts";
import { configuredIds, NO_RUN_CONFIG, parseRunConfig, RUN_CONFIG_PATH } from "../layout/run-config.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { applyResets, deleteDiscarded } from "./reset.ts";
import { sentence } from "./failure.ts";
import { keepOwners } from "./owners.ts";
import { MOUNT_FLAGS, type Sys } from "./sys.ts";

const FOLDER = 0o040000;
const TYPE = 0o170000;
/** Nobody but root reaches a layer other than through its overlay. */
const PRIVATE = 0o700;

/** Of a folder that the image does not have. */
const NEW_FOLDER = { mode: 0o755, uid: 0, gid: 0 } as const;

/** @throws SysError when a layer cannot be made, or a reset not be ended: the overlays will not be mounted then */
export function persist(sys: Sys): void {
  const { image, partitions } = parseRunFacts(sys.readText(RUN_FACTS_PATH));
  freeReserve(sys);
  if (partitions.persistent) keepOwners(sys, configured(sys)); // without one, nothing is older than this boot
  keepLocalFolders(sys);
  if (image?.profile === "sealed") hideLocalFolders(sys);
  const paths = (image?.persistent ?? []).filter(isMountablePath);
  applyResets(sys, paths);
  for (const path of paths) makeLayers(sys, path);
  for (const path of paths) deleteDiscarded(sys, path);
}

/** Users and groups that this boot has of its machine config. */
function configured(sys: Sys): PersistentIds {
  const config = sys.exists(RUN_CONFIG_PATH) ? parseRunConfig(sys.readText(RUN_CONFIG_PATH)) : undefined;
  return configuredIds(config ?? NO_RUN_CONFIG);
}

/** Room for this boot, whatever filled the file system. The agent makes the reserve again. */
function freeReserve(sys: Sys): void {
  try {
    sys.removeTree(RESERVE_FOLDER);
  } catch (error) {
    sys.log("error", `the reserve of ${PERSISTENT_FOLDER} cannot be used: ${sentence(error)}`);
  }
}

/** The partition covers the image's `/usr/local`, whose empty folders programs expect. */
function keepLocalFolders(sys: Sys): void {
  const image = `${IMAGE_ROOT}${PERSISTENT_FOLDER}`;
  for (const name of sys.list(image)) {
    const status = sys.status(`${image}/${name}`);
    const path = `${PERSISTENT_FOLDER}/${name}`;
    if ((status.mode & TYPE) !== FOLDER || sys.exists(path)) continue;
    sys.makeFolder(path);
    sys.setOwner(path, status);
  }
}

/** Where systemd, udev, the loader of libraries and many a program look for more than the image has. Source: file-hierarchy(7), systemd.unit(5), tmpfiles.d(5) */
const LOCAL_FOLDERS = ["bin", "etc", "games", "include", "lib", "lib32", "lib64", "libexec", "man", "sbin", "share", "src"];

/** In a sealed image these folders are empty whatever the partition holds: nothing below them is started, or decides what is. */
function hideLocalFolders(sys: Sys): void {
  const { bind, remount, readOnly, noSuid, noDevices, noExec } = MOUNT_FLAGS;
  sys.makeFolder(EMPTY_FOLDER);
  for (const name of LOCAL_FOLDERS) {
    const path = `${PERSISTENT_FOLDER}/${name}`;
    // What is mounted on a link lies where it leads.
    if (sys.exists(path) && (sys.status(path).mode & TYPE) !== FOLDER) sys.remove(path);
    sys.makeFolder(path);
    sys.mount(EMPTY_FOLDER, path, { flags: bind });
    sys.mount("", path, { flags: remount | bind | readOnly | noSuid | noDevices | noExec });
  }
}

export function makeLayers(sys: Sys, path: string): void {
  const { lower, upper, work } = persistentOverlay(path);
  const parts = work.slice(PERSISTENT_FOLDER.length + 1).split("/");
  for (const [index] of parts.entries()) {
    sys.makeFolder([PERSISTENT_FOLDER, ...parts.slice(0, index + 1)].join("/"), PRIVATE);
  }
  if (sys.exists(upper)) return; // its owner may have been changed since
  const fresh = `${upper}.new`;
  sys.makeFolder(fresh, PRIVATE);
  sys.setOwner(fresh, sys.exists(lower) ? sys.status(lower) : NEW_FOLDER); // the upper layer's owner and mode are the ones that programs see
  sys.rename(fresh, upper);
}
