/** @portable Early boot, from an empty machine to the image's init. docs/concepts/initrd.md */
import { AppError } from "../core/error.ts";
import {
  parseCommandLine,
  RAM_IMAGE,
  targetName,
  type BootArguments,
  type LoaderArguments,
  type RamArguments,
} from "../layout/cmdline.ts";
import { IMAGES_FOLDER, RUN_FOLDER } from "../layout/fstab.ts";
import type { Identity } from "../layout/identity.ts";
import { commandLineProblem, SEALED_WORDS_PATH } from "../layout/sealed-cmdline.ts";
import { encodeRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { partitionDevice, searchDisk, type Disk } from "./block-devices.ts";
import { keepBroughtConfig } from "./brought-config.ts";
import { openDrivers } from "./drivers.ts";
import { sentence } from "./failure.ts";
import { findConfig, NOBODY, type FoundConfig } from "./find-config.ts";
import { layConfig } from "./machine-config.ts";
import { diskPartitions, prepareRoot } from "./prepare-root.ts";
import { mixSeed } from "./random-seed.ts";
import { newIdentity } from "./identity.ts";
import { requireWholeImage } from "./ram-image.ts";
import { isResetOrdered } from "./reset-order.ts";
import { askForGrowth, settleDisk } from "./settle-disk.ts";
import { MOUNT_FLAGS, poll, type Sys } from "./sys.ts";
import { mountForServices } from "./service-mounts.ts";
import { mountVerityRoot } from "./verity-root.ts";
import { openWatchdog } from "./watchdog.ts";

const NEW_ROOT = "/sysroot";
/** A slow USB disk takes 20 s from power to its first sector. */
const DISK_LIMIT_MS = 30_000;
const INITS = ["/sbin/init", "/usr/lib/systemd/systemd", "/lib/systemd/systemd"] as const;

/** What is known so far; a failure reports it. */
export interface Known {
  arguments?: BootArguments;
  disk?: Disk;
  readonly reached: Record<string, number>;
}

/**
 * Runs the whole of early boot; ends by becoming the image's init.
 *
 * @param known is filled on the way
 * @param words what the kernel passes to init besides the program's name
 * @throws AppError with a sentence for the console, SysError where the kernel refused something
 */
export function boot(sys: Sys, known: Known, words: readonly string[]): never {
  const reach = (step: string): void => void (known.reached[step] = Math.round(sys.now()));
  reach("start");
  mountKernelFileSystems(sys);
  const args = (known.arguments = parseCommandLine(sys.readText("/proc/cmdline")));
  refuseForeignWords(sys);

  const drivers = openDrivers(sys);
  const watchdog = openWatchdog(sys);
  const loadDrivers = (): void => {
    drivers.loadForDevices();
    watchdog.arm();
  };
  loadDrivers();
  drivers.loadAlways(); // meanwhile the devices get ready
  watchdog.arm(); // before any disk is read: one that does not answer holds up everything
  reach("drivers");
  const source =
    args.slot === "ram" ? openMemory(sys, args) : openDisk(sys, args, { known, loadDrivers, refused: drivers.refused });
  const { disk, notes } = source;
  reach("disk");

  mountVerityRoot(sys, {
    image: source.image,
    rootHash: args.rootHash,
    options: drivers.verityOptions,
    target: NEW_ROOT,
  });
  reach("root");

  const partitions = disk && diskPartitions(sys, disk);
  const record = partitions?.record?.device;
  const isResetting = args.slot === "recovery" && record !== undefined && isResetOrdered(sys, record);
  const since = sys.now();
  const found = machineConfig(sys, args, { oem: partitions?.oem?.device, notes, isResetting });
  const persistent = args.slot === "recovery" ? [] : (found?.chosen?.config.persistent ?? []);
  const image = prepareRoot(sys, NEW_ROOT, {
    ...{ partitions, machineId: source.identity?.machineId, persistent, notes, isResetting },
  });
  if (found) layConfig(sys, NEW_ROOT, { found, image, isRecovery: args.slot === "recovery", since });
  reach("config");
  if (disk) askForGrowth(sys, disk.gpt);
  mountForServices(sys, NEW_ROOT, image?.profile);
  // A link in the image may be absolute: only what the build has found there is known without following it.
  const init = image?.init?.path ?? INITS.find((path) => sys.exists(NEW_ROOT + path));
  if (!init) throw new AppError("NO_INIT", `the image has no init: there is no ${INITS.join(", no ")}`);
  loadDrivers(); // a watchdog may be ready by now
  reach("switch");
  sys.writeText(
    RUN_FACTS_PATH,
    encodeRunFacts({
      ...{ slot: args.slot, file: source.file, rootHash: args.rootHash, ...(disk ? { disk: `/dev/${disk.name}` } : {}) },
      ...("trial" in args ? { trial: args.trial } : {}),
      ...{ partitions: partitions ?? {}, ...(image ? { image } : {}), notes, reached: known.reached },
      ...(isResetting ? { resetting: true } : {}),
    }),
  );
  for (const note of notes) sys.log("error", note);
  sys.log(
    "info",
    `${targetName(args.slot)}: ${image ? `${image.name} ${image.version}` : source.file}${source.device ? ` from ${source.device}` : ""}`,
  );
  for (const folder of ["/dev", "/proc", "/sys", "/run"]) sys.mount(folder, NEW_ROOT + folder, { flags: MOUNT_FLAGS.move });
  sys.switchRoot(NEW_ROOT);
  return sys.exec(init, [init, ...words]);
}

/** Somebody at a console, or with the hypervisor's firmware in hand, has nothing to say to a sealed image. @throws AppError `CMDLINE_SEALED` */
function refuseForeignWords(sys: Sys): void {
  if (!sys.exists(SEALED_WORDS_PATH)) return;
  const words = JSON.parse(sys.readText(SEALED_WORDS_PATH)) as string[];
  const problem = commandLineProblem(sys.readText("/proc/cmdline"), words);
  if (problem !== undefined) throw new AppError("CMDLINE_SEALED", `the kernel command line ${problem}`);
}

/** Nothing where a machine has none, and is to have none: one that is being reset. */
function machineConfig(
  sys: Sys,
  args: BootArguments,
  { oem, notes, isResetting }: { oem: string | undefined; notes: string[]; isResetting: boolean },
): FoundConfig | undefined {
  if (isResetting) return undefined;
  if (args.slot === "ram") return { remembered: NOBODY, wanted: "this system runs from memory" };
  return oem === undefined ? undefined : findConfig(sys, { target: args.slot, oem, trial: args.trial }, notes);
}

/** Where the image of this boot is. */
interface ImageSource {
  /** Path of the image. */
  readonly image: string;
  /** The same in its file system. */
  readonly file: string;
  readonly notes: string[];
  readonly identity?: Identity;
  readonly disk?: Disk;
  /** Of the file system that the image is in. */
  readonly device?: string;
}

/** Nothing of a disk is touched: this machine is a new one at every boot. */
function openMemory(sys: Sys, args: RamArguments): ImageSource {
  requireWholeImage(sys, args);
  const notes: string[] = [];
  showImage(sys, notes);
  keepBroughtConfig(sys, notes);
  return { image: RAM_IMAGE, file: RAM_IMAGE, notes, identity: newIdentity(sys) };
}

/** Where the file of any other boot is: it can be installed from there, once the memory that it came in is no folder any more. */
function showImage(sys: Sys, notes: string[]): void {
  const { bind, remount, readOnly, noSuid, noDevices, noExec } = MOUNT_FLAGS;
  const at = IMAGES_FOLDER + RAM_IMAGE;
  try {
    sys.makeFolder(IMAGES_FOLDER);
    sys.writeText(at, "");
    sys.mount(RAM_IMAGE, at, { flags: bind });
    sys.mount("", at, { flags: remount + bind + readOnly + noSuid + noDevices + noExec });
  } catch (error) {
    notes.push(`this system cannot be installed from memory: ${sentence(error)}`);
  }
}

function openDisk(
  sys: Sys,
  args: LoaderArguments,
  { known, loadDrivers, refused }: { known: Known; loadDrivers: () => void; refused: readonly string[] },
): ImageSource {
  const { disk: found, device } = findDisk(sys, args, loadDrivers, refused);
  known.disk = found;
  const notes = found.gpt.damage ? [`the partition table of ${found.name} is damaged: ${found.gpt.damage}`] : [];
  const record = found.gpt.partitions.find(({ name }) => name === "record");
  const seed = record && partitionDevice(sys, found.name, record);
  if (seed !== undefined) mixSeed(sys, seed); // before anything that is to be unlike any other is made
  const { disk, identity } = settleDisk(sys, found, notes);
  known.disk = disk;
  mountImages(sys, device);
  const image = IMAGES_FOLDER + args.file;
  if (!sys.exists(image)) {
    throw new AppError("IMAGE_MISSING", `there is no ${args.file} on the partition that the boot loader named`);
  }
  return { image, file: args.file, notes, device, disk, ...(identity ? { identity } : {}) };
}

function mountKernelFileSystems(sys: Sys): void {
  const { noSuid, noDevices, noExec } = MOUNT_FLAGS;
  for (const folder of ["/dev", "/proc", "/sys", "/run", NEW_ROOT]) sys.makeFolder(folder);
  sys.mount("devtmpfs", "/dev", { type: "devtmpfs", flags: noSuid, data: "mode=0755" });
  sys.mount("proc", "/proc", { type: "proc", flags: noSuid | noDevices | noExec });
  sys.mount("sysfs", "/sys", { type: "sysfs", flags: noSuid | noDevices | noExec });
  sys.mount("tmpfs", "/run", { type: "tmpfs", flags: noSuid | noDevices, data: "mode=0755,size=20%" });
  sys.makeFolder(RUN_FOLDER);
}

/** The disk with the loader's partition, and that partition's device node. */
function findDisk(
  sys: Sys,
  { disk: guid }: LoaderArguments,
  loadDrivers: () => void,
  refused: readonly string[],
): { readonly disk: Disk; readonly device: string } {
  const search = searchDisk(sys, guid);
  const found = poll(sys, DISK_LIMIT_MS, () => {
    const disk = search.find();
    const partition = disk?.gpt.partitions.find((candidate) => candidate.guid === guid);
    const device = disk && partition && partitionDevice(sys, disk.name, partition);
    if (device) return { disk, device };
    loadDrivers();
    return undefined;
  });
  if (found) return found;
  const disks = [...search.seen].map(([name, what]) => `${name}: ${what}`).join("; ") || "there are no disks";
  const drivers = refused.length > 0 ? `; drivers that did not start: ${refused.join(", ")}` : "";
  throw new AppError("DISK_NOT_FOUND", `no disk has the partition ${guid} after ${DISK_LIMIT_MS / 1000} s (${disks}${drivers})`);
}

function mountImages(sys: Sys, device: string): void {
  const { readOnly, noSuid, noDevices, noExec } = MOUNT_FLAGS;
  sys.makeFolder(IMAGES_FOLDER);
  sys.mount(device, IMAGES_FOLDER, { type: "ext4", flags: readOnly | noSuid | noDevices | noExec });
}
