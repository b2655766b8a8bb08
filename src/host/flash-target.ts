import { constants } from "node:fs";
import { access, open, readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename } from "node:path";
import { AppError } from "../core/error.ts";
import { formatSize, KiB, MiB, type Bytes } from "../core/units.ts";
import { isUnfinished, UNFINISHED } from "../layout/flash-plan.ts";
import { chooseByFacts, isDisk, parseDiskName } from "../layout/choose-disk.ts";
import type { FlashTarget } from "../layout/flash-target.ts";
import { LSBLK_COLUMNS, parseLsblk, plainWord, withChildren, type BlockNode } from "../layout/lsblk.ts";
import { MEDIUM_ID_AT, MEDIUM_ID_SIZE, mediumIdOf } from "../layout/medium-id.ts";
import { GPT_FOUND, parseWipefs } from "../layout/wipefs.ts";
import { openDirect, type DirectFile } from "./direct-read.ts";
import type { Run } from "./run.ts";

const LSBLK = ["lsblk", "--json", "--bytes", "--paths", "--output", LSBLK_COLUMNS] as const;
/** Both ends are looked at whole, and this many places between them. */
const SAMPLES = 128;
const SAMPLE: Bytes = 4 * KiB;

/**
 * The path of a disk that somebody named: a path, a name of `/dev/disk/by-id`, `serial:…`, `size:…`. Not `auto`: a machine that people work at has disks
 * that nobody thinks of.
 *
 * @returns without links, so that every name of a disk gives the same
 * @throws AppError `DEVICE_NAME_INVALID`, `DEVICE_MISSING`, `DEVICE_AMBIGUOUS`, `DEVICE_NOT_NAMED`
 */
export async function findTarget(text: string, { run, cwd }: { readonly run: Run; readonly cwd: string }): Promise<string> {
  const name = parseDiskName(text);
  if (name.is === "auto") {
    throw new AppError("DEVICE_NOT_NAMED", "auto is for machines that are installed: here the disk has to be named", {
      hint: `Give a path, a name in /dev/disk/by-id, serial:NUMBER or size:500G. To see them: lsblk. A file of this name: ./auto.`,
    });
  }
  if (name.is !== "path") {
    return chooseByFacts(name, await disksOf(run)).disk.path;
  }
  const paths = [text.startsWith("/") ? text : `${cwd}/${text}`, ...(text.includes("/") ? [] : [`/dev/disk/by-id/${text}`])];
  for (const path of paths) {
    const found = await realpath(path).catch(() => undefined);
    if (found !== undefined) return found;
  }
  throw new AppError("DEVICE_MISSING", `there is no disk ${text}`, {
    hint: "Name a path (/dev/sdb), a name of /dev/disk/by-id, serial:NUMBER or size:500G: `lsblk` lists them.",
  });
}

/** Paths of the whole disks of this machine. @throws CommandError; AppError `LSBLK_UNREADABLE` */
export const wholeDisks = async (run: Run): Promise<string[]> => (await disksOf(run)).filter(isDisk).map(({ path }) => path);

const disksOf = async (run: Run) =>
  await Promise.all(
    parseLsblk((await run([...LSBLK, "--nodeps"])).stdout).map(async (node) => ({
      ...describe(await withSerial(node)),
      ...{ path: node.path, size: node.size },
    })),
  );

/** Without udev lsblk does not know where the kernel has the serial number of a virtio disk. Source: Linux, virtio_blk.c, serial_show */
async function withSerial(node: BlockNode): Promise<BlockNode> {
  if (node.serial !== undefined) return node;
  const serial = plainWord(await readFile(`/sys/block/${basename(node.path)}/serial`, "utf8").catch(() => undefined));
  return serial === undefined ? node : { ...node, serial };
}

/**
 * What is known of a place that an image is to be written to; nothing of it is changed.
 *
 * @param path as {@link findTarget} gives it
 * @param medium id of the install medium that this system was started from
 * @throws AppError `DEVICE_NOT_A_DISK` for what is neither a block device nor a regular file; CommandError
 */
export async function targetFacts(path: string, run: Run, medium?: string): Promise<FlashTarget> {
  const info = await stat(path);
  if (!info.isBlockDevice() && !info.isFile()) {
    throw new AppError("DEVICE_NOT_A_DISK", `${path} is neither a disk nor a regular file`, {
      hint: "Name a disk: `lsblk` lists them.",
    });
  }
  const isAllowed = await mayWrite(path);
  const node = info.isFile() ? undefined : await nodeOf(path, run);
  const size = node?.size ?? info.size;
  const below = node ? withChildren(node) : [];
  const loops = await loopsOn(new Set([path, ...below.map((one) => one.path)]));
  const looked = isAllowed && size > 0 ? await lookAt(path, node, run) : { found: [] };
  return {
    path,
    ...(node ? { ...describe(node), sectorSize: node.sectorSize } : { ...FILE, sectorSize: 512 }),
    size,
    mounts: below.flatMap((one) => one.mounts.map((at) => ({ device: one.path, at }))),
    holders: below
      .filter(({ type, path: own }) => type !== "part" && own !== path)
      .map((one) => ({ device: one.path, type: one.type })),
    loops,
    isBusy: node !== undefined && isAllowed && (await isBusy(path)),
    isAllowed,
    ...(medium !== undefined && isAllowed && (await isMedium(path, medium)) ? { isMedium: true } : {}),
    ...looked,
  };
}

/** Whether writing to a target would change a file: it is that file under any name, or a loop device that shows it. */
export async function isSameData(target: string, file: string): Promise<boolean> {
  const shown = await readFile(`/sys/block/${basename(target)}/loop/backing_file`, "utf8").catch(() => undefined);
  const [one, ...others] = await Promise.all(
    [file, target, ...(shown === undefined ? [] : [shown.trim()])].map(async (path) => await stat(path).catch(() => undefined)),
  );
  return others.some((other) => other !== undefined && other.dev === one?.dev && other.ino === one.ino);
}

const FILE = { kind: "file", readOnly: false, removable: false } as const;

async function nodeOf(path: string, run: Run): Promise<BlockNode> {
  const [node] = parseLsblk((await run([...LSBLK, path])).stdout);
  if (node) return await withSerial(node);
  throw new AppError("LSBLK_UNREADABLE", `lsblk says nothing about ${path}`, { hint: "util-linux 2.37 or later is needed." });
}

function describe({
  type,
  parent,
  readOnly,
  removable,
  transport,
  model,
  serial,
  content,
}: BlockNode): Pick<FlashTarget, "kind" | "disk" | "readOnly" | "removable" | "transport" | "model" | "serial"> {
  const isWhole = (type === "disk" || type === "loop") && content !== "mpath_member";
  return {
    kind: type === "part" ? "partition" : isWhole ? "disk" : "other",
    ...(parent === undefined ? {} : { disk: parent }),
    ...{ readOnly, removable },
    ...(transport === undefined ? {} : { transport }),
    ...(model === undefined ? {} : { model }),
    ...(serial === undefined ? {} : { serial }),
  };
}

/** What cannot be read is not what this system was read from. */
async function isMedium(path: string, id: string): Promise<boolean> {
  try {
    await using disk = await openDirect(path);
    return mediumIdOf(await disk.read(MEDIUM_ID_AT, MEDIUM_ID_SIZE)) === id;
  } catch {
    return false;
  }
}

/** The kernel knows of users that are in no list: other mount namespaces, ZFS, btrfs on several disks. Source: open(2), O_EXCL */
async function isBusy(path: string): Promise<boolean> {
  try {
    await using _ = await open(path, constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EBUSY";
  }
}

/** A loop device does not keep others from what it shows. Source: /sys/block/loopN/loop/backing_file */
async function loopsOn(paths: ReadonlySet<string>): Promise<string[]> {
  const names = (await readdir("/sys/block").catch(() => [])).filter((name) => name.startsWith("loop"));
  const loops = await Promise.all(
    names.map(async (name) => {
      const backing = await readFile(`/sys/block/${name}/loop/backing_file`, "utf8").catch(() => undefined);
      return backing !== undefined && paths.has(backing.trim()) ? [`/dev/${name}`] : [];
    }),
  );
  return loops.flat();
}

/** A container may forbid a device to its root, which only opening it tells. A write-protected disk is refused for what it is. */
async function mayWrite(path: string): Promise<boolean> {
  try {
    await using _ = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    await access(path, constants.W_OK | constants.R_OK);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== "EACCES" && code !== "EPERM";
  }
}

/** What is on a disk: tables and file systems by name, or else that something is. */
async function lookAt(
  path: string,
  node: BlockNode | undefined,
  run: Run,
): Promise<{ readonly found: readonly string[]; readonly failing?: string }> {
  try {
    await using disk = await openDirect(path);
    const at = await firstData(disk);
    if (at === undefined) return { found: [] };
    const signatures = await signaturesOf(path, run);
    // Cut off in the middle by us: whatever was there is lost already. A file system that somebody made since is known; a table needs the boot sector.
    if (await isHalfWritten(disk)) return { found: signatures.filter((one) => one !== GPT_FOUND) };
    const known = [...signatures, ...partitionsOf(node)];
    return { found: known.length > 0 ? known : [`data of no known kind at ${formatSize(at)}`] };
  } catch (error) {
    if (error instanceof PlaceUnreadable) return { found: [], failing: error.message };
    throw error;
  }
}

const isHalfWritten = async (disk: DirectFile): Promise<boolean> => isUnfinished(await disk.read(0, UNFINISHED.length));

class PlaceUnreadable extends Error {}

/** Where something is that is neither zero nor 0xFF, as erased flash memory reads. */
async function firstData(disk: DirectFile): Promise<Bytes | undefined> {
  const tail = Math.max(0, Math.floor((disk.size - MiB) / SAMPLE) * SAMPLE);
  const step = Math.max(SAMPLE, Math.floor(disk.size / SAMPLES / SAMPLE) * SAMPLE);
  const places = [{ at: 0, size: MiB }, ...Array.from({ length: SAMPLES }, (_, i) => ({ at: i * step, size: SAMPLE }))];
  for (const { at, size } of [...places, { at: tail, size: MiB }]) {
    if (at >= disk.size) continue;
    const bytes = await disk.read(at, Math.min(size, disk.size - at)).catch((cause: unknown) => {
      const { code, message } = cause as NodeJS.ErrnoException;
      throw new PlaceUnreadable(`it cannot be read at ${formatSize(at)} (${code ?? message})`);
    });
    const index = bytes.findIndex((byte) => byte !== 0 && byte !== 0xff);
    if (index >= 0) return at + index;
  }
  return undefined;
}

/** What libblkid knows at the places of a whole disk. */
const signaturesOf = async (path: string, run: Run): Promise<readonly string[]> =>
  parseWipefs((await run(["wipefs", "--json", "--no-act", path])).stdout);

const partitionsOf = (node: BlockNode | undefined): string[] =>
  (node?.children ?? [])
    .filter(({ type }) => type === "part")
    .map(({ path, content, label, size }) => {
      const name = label === undefined ? "" : ` ${JSON.stringify(label)}`;
      return `${path} ${content ?? "of unknown content"}${name} (${formatSize(size)})`;
    });
