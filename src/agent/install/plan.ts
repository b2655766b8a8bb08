/** What can be installed from here, and where: everything that is judged before the first write. docs/concepts/install.md */
import { join } from "node:path";
import { AppError } from "../../core/error.ts";
import type { Bytes } from "../../core/units.ts";
import { openDirect } from "../../host/direct-read.ts";
import { readBytes, readText } from "../../host/files.ts";
import { findTarget, targetFacts, wholeDisks } from "../../host/flash-target.ts";
import { openFileSource } from "../../host/image-source.ts";
import type { Run } from "../../host/run.ts";
import { sha256 } from "../../host/sha256.ts";
import { chooseAutomatically } from "../../layout/choose-disk.ts";
import { planDisk, type DiskPlan } from "../../layout/disk.ts";
import { refusalsOf, type FlashTarget } from "../../layout/flash-target.ts";
import { IMAGES_FOLDER } from "../../layout/fstab.ts";
import { parseInstallWords } from "../../layout/install-words.ts";
import type { InstallDisk, InstallPlan, InstallRequest } from "../../layout/install.ts";
import { decodeLoaderKit, LOADER_KIT_PATH, type LoaderKit } from "../../layout/loader-kit.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../../layout/run-facts.ts";
import type { Manifest } from "../../release/manifest.ts";
import { petrifyDisk } from "../../release/petrify-disk.ts";
import { findManifest } from "../../release/verify-image.ts";

/** The image that runs, as it is installed. */
export interface Installable {
  readonly path: string;
  readonly size: Bytes;
  readonly manifest: Manifest;
  /** SHA-256 of the manifest. */
  readonly digest: string;
  readonly loader: LoaderKit;
  /** The smallest disk for it. */
  readonly disk: DiskPlan;
}

/** @throws AppError `INSTALL_NO_LOADER`, `LOADER_KIT_INVALID`, `IMAGE_UNREADABLE`, `IMAGE_INVALID`, `IMAGE_TOO_LARGE` */
export async function installable(): Promise<Installable> {
  const facts = parseRunFacts(await readText(RUN_FACTS_PATH));
  const path = join(IMAGES_FOLDER, facts.file);
  await using image = await openFileSource(path);
  const { manifest, digest } = await findManifest(image, sha256);
  const loader = decodeLoaderKit(
    await readBytes(LOADER_KIT_PATH).catch((cause: unknown) => {
      throw new AppError("INSTALL_NO_LOADER", "this image was built without a boot loader for disks", {
        hint: "Build it again with this version of petrify.",
        cause,
      });
    }),
  );
  const { image: size } = manifest.sizes;
  return { path, size, manifest, digest, loader, disk: planDisk({ imageSize: size, slotSize: loader.slotSize }) };
}

/** Every disk, and what speaks against it. @param run finds lsblk and wipefs */
export async function installDisks(run: Run, needed: Bytes): Promise<InstallDisk[]> {
  const disks: InstallDisk[] = [];
  for (const path of await wholeDisks(run)) disks.push(await installDisk(path, run, { needed, wipe: false }));
  return disks;
}

async function installDisk(
  path: string,
  run: Run,
  how: { readonly needed: Bytes; readonly wipe: boolean },
): Promise<InstallDisk> {
  const target = await targetFacts(path, run, await mediumOfBoot());
  const { found, installedFrom } = await known(target);
  const judged: FlashTarget = { ...target, found };
  return { target: judged, refusals: refusalsOf(judged, how), ...(installedFrom === undefined ? {} : { installedFrom }) };
}

/** A command line that is malformed elsewhere is said by whoever acts by it. */
async function mediumOfBoot(): Promise<string | undefined> {
  const text = await readText("/proc/cmdline");
  try {
    return parseInstallWords(text).medium;
  } catch {
    return /(?:^|\s)petrify\.medium=([0-9a-f]{32})(?=\s|$)/.exec(text)?.[1];
  }
}

/** What petrify itself can say about a disk comes first. */
async function known(target: FlashTarget): Promise<{ readonly found: readonly string[]; readonly installedFrom?: string }> {
  const { found, path } = target;
  if (found.length === 0) return { found };
  await using disk = await openDirect(path);
  const own = await petrifyDisk(disk, sha256);
  if (!own) return { found };
  return {
    found: [own.name, ...found],
    ...(own.installedFrom === undefined ? {} : { installedFrom: own.installedFrom }),
  };
}

/**
 * What an installation as asked would do.
 *
 * @throws AppError the first reason against it; what {@link findTarget} throws
 */
export async function planInstall(
  { device, wipe }: Pick<InstallRequest, "device" | "wipe">,
  { manifest, size, disk: { slotSize, size: needed } }: Installable,
  run: Run,
): Promise<InstallPlan> {
  const chosen = device === "auto" ? await automatic(run, { needed, wipe }) : await named(device, run, { needed, wipe });
  const { target, installedFrom } = chosen.disk;
  const [first] = refusalsOf(target, { needed, wipe });
  if (first) throw new AppError(first.code, first.message, { hint: first.hint });
  const disk = { target, refusals: refusalsOf(target, { needed, wipe: false }), ...(installedFrom ? { installedFrom } : {}) };
  return { disk, rule: chosen.rule, image: { name: manifest.name, version: manifest.version, size }, slotSize, needed };
}

interface Judged {
  readonly needed: Bytes;
  readonly wipe: boolean;
}

async function automatic(run: Run, how: Judged): Promise<{ readonly disk: InstallDisk; readonly rule: string }> {
  const disks = await installDisks(run, how.needed);
  const { disk, rule } = chooseAutomatically(
    disks.map(({ target }) => target),
    how,
  );
  return { disk: disks.find(({ target }) => target === disk)!, rule };
}

async function named(device: string, run: Run, how: Judged): Promise<{ readonly disk: InstallDisk; readonly rule: string }> {
  const path = await findTarget(device, { run, cwd: "/dev" });
  return { disk: await installDisk(path, run, how), rule: path === device ? `${path} was named.` : `${device} is ${path}.` };
}
