/** Partitions and file systems on disks besides the system's own: `disk_setup`, `fs_setup`, `layout` of a step. docs/concepts/stages.md */
import type { ConfiguredDisk, ConfiguredFileSystem } from "../../config/machine/node-config.ts";
import type { AddedPartitions } from "../../config/machine/stages.ts";
import { AppError } from "../../core/error.ts";
import { MiB, type Bytes } from "../../core/units.ts";
import type { Run } from "../../host/run.ts";
import { parseLsblk, withChildren, type BlockNode } from "../../layout/lsblk.ts";
import { isTable } from "../../layout/wipefs.ts";
import type { DiskPorts } from "./ports.ts";

/** The agent's own. */
const MKE2FS = "/usr/lib/petrify/runtime/bin/mke2fs";
const WIPEFS = "/usr/lib/petrify/runtime/bin/wipefs";
const LIMIT_MS = 10 * 60_000;
/** In front of the first partition, and behind the last: tables, and alignment. */
const EDGE: Bytes = MiB;

interface Means {
  readonly run: Run;
  readonly disks: DiskPorts;
}
/** How it was begun before: `again`, and nobody saw its end. */
type Beginning = "first" | "again";

/** A table, and empty partitions. @returns what it found in place of that @throws AppError `DISK_NOT_SET_UP`, CommandError */
export async function setUpDisk(
  { device, table, partitions, overwrite }: ConfiguredDisk,
  beginning: Beginning,
  means: Means,
): Promise<string | undefined> {
  const { node } = await found(device, { path: device }, means);
  const isEmpty = await holdsNothing(node, means);
  if (!isEmpty && beginning === "again") {
    if (node.children.length === partitions.length) return undefined;
    throw wrong(device, "was being partitioned when the machine was cut off, and is neither empty nor done: it is left alone");
  }
  if (!isEmpty && !overwrite) return "it holds something already, and is left alone";
  requireUnused(device, node);
  await wipe(node, means);
  await sfdisk(device, "new", tableScript(table, partitions, node.size), means);
  return undefined;
}

/** For sfdisk(8). @param percentages of the disk */
function tableScript(table: "gpt" | "mbr", percentages: readonly number[], size: Bytes): string {
  const usable = size - 2 * EDGE;
  const all = percentages.reduce((sum, one) => sum + one, 0);
  const lines = percentages.map((percent, index) => {
    // What rounding leaves is the last one's.
    const isRest = index === percentages.length - 1 && all === 100;
    return isRest ? "type=linux" : `size=${Math.floor((usable * percent) / 100 / MiB)}MiB, type=linux`;
  });
  return [`label: ${table === "mbr" ? "dos" : "gpt"}`, ...lines, ""].join("\n");
}

/** @returns what it found in place of that @throws the same */
export async function setUpFileSystem(
  { device, partition, type, label, overwrite }: ConfiguredFileSystem,
  beginning: Beginning,
  means: Means,
): Promise<string | undefined> {
  const { node: whole } = await found(device, { path: device }, means);
  const labelled = withChildren(whole).find((one) => one.content !== undefined && label !== undefined && one.label === label);
  const node = typeof partition === "number" ? partitionOf(whole, partition) : partition === "auto" ? (labelled ?? whole) : whole;
  const isDone = node.content === type && (label === undefined || node.label === label);
  const isEmpty = await holdsNothing(node, means);
  if (beginning === "again" && isDone) return undefined;
  if (!isEmpty && beginning === "again")
    throw wrong(node.path, "was getting a file system when the machine was cut off, and holds something else: it is left alone");
  if (!isEmpty && !overwrite) return isDone ? undefined : "it holds something already, and is left alone";
  requireUnused(node.path, node);
  if (!isEmpty) await wipe(node, means);
  await makeFileSystem(node.path, type, label, means);
  return undefined;
}

/** Those that are missing. A partition that was made and has no file system gets one: it was cut off. @returns why not */
export async function addPartitions(
  { device, add_partitions: wanted }: AddedPartitions,
  means: Means,
): Promise<string | undefined> {
  const name = device.path ?? `the disk with ${device.label}`;
  try {
    const at = device.path === undefined ? { label: device.label! } : { path: device.path };
    for (const { fsLabel, pLabel, size, filesystem } of wanted) {
      const { disk } = await found(name, at, means);
      const partName = (pLabel ?? fsLabel)!;
      const there = disk.children.find(({ label }) => label !== undefined && (label === fsLabel || label === pLabel));
      if (there && !(await holdsNothing(there, means))) continue;
      if (!there) {
        const line = `${size > 0 ? `size=${size}MiB, ` : ""}type=linux, name=${JSON.stringify(partName)}\n`;
        const isNew = await holdsNothing(disk, means);
        const [other] = (await means.disks.signatures(disk.path)).filter((one) => !isTable(one));
        if (other !== undefined) throw wrong(disk.path, `holds ${other}, and gets no partitions`);
        await sfdisk(disk.path, isNew ? "new" : "append", isNew ? `label: gpt\n${line}` : line, means);
      }
      const { disk: now } = await found(name, at, means);
      const known = new Set(disk.children.map(({ path }) => path));
      const made = there ?? now.children.find(({ path }) => !known.has(path));
      if (!made) throw wrong(disk.path, `has no new partition ${partName}: the kernel has not read its table again`);
      await makeFileSystem(made.path, filesystem, fsLabel, means);
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

interface FoundDevice {
  readonly node: BlockNode;
  /** What it is a part of; itself otherwise. */
  readonly disk: BlockNode;
}

/** Never the system's own disk. @throws AppError `DISK_NOT_SET_UP` */
async function found(
  name: string,
  at: { readonly path: string } | { readonly label: string },
  { disks }: Means,
): Promise<FoundDevice> {
  const path = await disks.find(at);
  if (path === undefined) throw wrong(name, "is not there");
  for (const disk of parseLsblk(await disks.list())) {
    const node = withChildren(disk).find((one) => one.path === path);
    if (!node) continue;
    if (disk.path === disks.own) throw wrong(name, "is the system's own disk, or a part of it");
    if (node.readOnly) throw wrong(name, "is read-only");
    return { node, disk };
  }
  throw wrong(name, "is no block device");
}

/** By its bytes, and with any doubt for something: udev may not have looked at it yet, and says nothing where signatures contradict each other. */
const holdsNothing = async ({ path, children }: BlockNode, { disks }: Means): Promise<boolean> =>
  children.length === 0 && (await disks.signatures(path)).length === 0;

function requireUnused(name: string, node: BlockNode): void {
  const [mount] = withChildren(node).flatMap(({ mounts }) => mounts);
  if (mount !== undefined) throw wrong(name, `is in use: ${mount}`);
}

/** By the kernel's names. Source: Linux, block/partitions/core.c, disk_name */
function partitionOf(disk: BlockNode, number: number): BlockNode {
  const path = `${disk.path}${/\d$/.test(disk.path) ? "p" : ""}${number}`;
  const node = disk.children.find((child) => child.path === path);
  if (!node) throw wrong(disk.path, `has no partition ${number}`);
  return node;
}

/** What lies on it is not found any more, partitions first. */
async function wipe(node: BlockNode, { run, disks }: Means): Promise<void> {
  for (const { path } of withChildren(node).toReversed()) await run([WIPEFS, "--all", "--quiet", path], { timeoutMs: LIMIT_MS });
  // A partition that udev looks at keeps the kernel from reading the table anew.
  await disks.settle();
}

/** @param what of the table: a disk that is appended to may be in use, and is not read anew as a whole */
async function sfdisk(device: string, what: "new" | "append", script: string, { run }: Means): Promise<void> {
  const options = what === "new" ? ["--wipe", "always"] : ["--wipe", "never", "--append", "--no-reread"];
  const argv = ["sfdisk", "--quiet", ...options, "--wipe-partitions", "always", device] as const;
  await run(argv, { stdin: script, timeoutMs: LIMIT_MS });
  if (what === "append") await run(["partx", "--update", device], { okExit: [0, 1], timeoutMs: LIMIT_MS });
}

async function makeFileSystem(
  device: string,
  type: "ext4" | "vfat",
  label: string | undefined,
  { run, disks }: Means,
): Promise<void> {
  const argv: readonly [string, ...string[]] =
    type === "ext4"
      ? [MKE2FS, "-q", "-F", "-t", "ext4", ...(label === undefined ? [] : ["-L", label]), device]
      : ["mkfs.vfat", ...(label === undefined ? [] : ["-n", label]), device];
  await run(argv, { timeoutMs: LIMIT_MS });
  await disks.changed(device);
}

const wrong = (name: string, why: string): AppError => new AppError("DISK_NOT_SET_UP", `${name} ${why}`);
