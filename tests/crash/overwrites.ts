/** What is written over what, and what has to be noticed when a safety measure is left out. */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { makeLoaderKit } from "../../src/build/loader-kit.ts";
import { MiB } from "../../src/core/units.ts";
import { openDirect } from "../../src/host/direct-read.ts";
import { openImage } from "../../src/host/image-file.ts";
import { openNewDisk } from "../../src/host/new-disk.ts";
import type { Run } from "../../src/host/run.ts";
import { planDisk } from "../../src/layout/disk.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import { UNFINISHED } from "../../src/layout/flash-plan.ts";
import { decodeLoaderKit } from "../../src/layout/loader-kit.ts";
import { newDiskGuids } from "../../src/layout/new-disk.ts";
import type { Controller } from "../../src/vm/options.ts";
import { testTools } from "../support/tools.ts";
import { SLOT_SIZE } from "./matrix-disk.ts";
import type { Matrix } from "./matrix.ts";
import { cutOverwrite, judgeOverwrite, type Flaw, type NewDisk, type Overwrite, type OverwriteResult } from "./overwrite.ts";
import { recordLab } from "./record-run.ts";
import { frequent, type Detection } from "./report.ts";
import { gptDisk, hybridDisk, mbrDisk, type StartingDisk } from "./starting-disks.ts";

export const OVERWRITING = ["flash", "install"] as const;
export type Overwriting = (typeof OVERWRITING)[number];

export interface Overwrites extends AsyncDisposable {
  readonly before: readonly StartingDisk[];
  /** A disk that a build made, and one that is put together while it is read. */
  readonly after: Readonly<Record<Overwriting, NewDisk>>;
}

/** Exactly as large as the image, and larger; what another system leaves, and what petrify does. */
export async function openOverwrites(matrix: Pick<Matrix, "host" | "parts" | "folder">): Promise<Overwrites> {
  const { host, parts, folder } = matrix;
  const { tools } = host;
  await using cleanup = new AsyncDisposableStack();
  const file = cleanup.use(await openDirect(parts.newDisk));
  const installed = cleanup.use(await openInstalled(matrix));
  const { size } = file;
  using old = openImage(parts.disk);
  const nothing = { size, boots: [], says: "", system: [] } as const;
  const petrify = {
    ...{ name: "a disk of petrify's", path: parts.disk, says: "old" },
    system: decodeGpt(old.read, old.size, 512).partitions.map((partition) => ({ start: partition.start, size: partition.size })),
  };
  const scope = cleanup.move();
  return {
    before: [
      { ...nothing, name: "a blank disk", sectorSize: 512 },
      { ...petrify, size: size + 5 * MiB, sectorSize: 512, boots: ["bios", "uefi"] },
      await mbrDisk(tools, { folder, size: size + 3 * MiB + 512 }),
      await gptDisk(tools, { folder, size: size + 64 * MiB }),
      await hybridDisk(tools, await testTools("media"), { folder, size: size + 2 * MiB }),
      { ...nothing, name: "a blank disk, 4096", sectorSize: 4096 },
      { ...petrify, name: "a disk of petrify's, 4096", size, sectorSize: 4096, boots: ["uefi"] },
    ],
    after: {
      flash: { source: { path: parts.newDisk, size, read: file.read }, says: "new" },
      install: { source: installed, says: "new", installedFrom: SOURCE },
    },
    [Symbol.asyncDispose]: async () => await scope.disposeAsync(),
  };
}

/** What began the installation. */
const SOURCE = "matrix";

async function openInstalled({
  host: { tools },
  parts: { images },
  folder,
}: Pick<Matrix, "host" | "parts" | "folder">): Promise<NewDisk["source"] & AsyncDisposable> {
  const { path, bytes, digest, manifest } = images.new;
  const work = join(folder, "install");
  await mkdir(work, { recursive: true });
  const signal = new AbortController().signal;
  const time = manifest.created;
  const run: Run = async ([program, ...args], { env = {}, stdin } = {}) =>
    await tools.run([basename(program), ...args], {
      ...{ binds: [{ source: folder, writable: true }], env },
      ...(stdin === undefined ? {} : { stdin }),
    });
  const loader = decodeLoaderKit(await makeLoaderKit(tools, { slotSize: SLOT_SIZE, time, work }, signal));
  const plan = planDisk({ imageSize: bytes.length, slotSize: SLOT_SIZE });
  const means = { run, programs: "/any", work: join(work, "file-systems"), signal };
  const image = { path, size: bytes.length, digest };
  const oem = [{ path: "machine.yaml", text: "#cloud-config\n" }];
  return await openNewDisk(means, { plan, guids: newDiskGuids(randomBytes), loader, image, oem, time, source: SOURCE });
}

/** By way of a real disk: what the kernel makes of the writes, flushes and zeros of the program. */
export async function cutOnDevice(matrix: Matrix, overwrite: Overwrite, controller: Controller): Promise<OverwriteResult> {
  const { host, linux, parts } = matrix;
  const { before } = overwrite;
  const started = performance.now();
  using base = before.path === undefined ? undefined : openImage(before.path);
  const read = base?.read ?? ((_: number, length: number) => new Uint8Array(length));
  const target = { size: before.size, read, sectorSize: before.sectorSize, image: parts.newDisk };
  const { rootHash } = parts.images.newer.manifest;
  const run = { disk: parts.newerDisk, controller, lab: parts.lab, rootHash, operation: "flash", target } as const;
  const log = await matrix.turns(async () => await recordLab(host, linux, run));
  const recorded = performance.now();
  const judged = await judgeOverwrite(overwrite, controller, log);
  return { ...judged, seconds: { record: (recorded - started) / 1000, replay: (performance.now() - recorded) / 1000 } };
}

export interface OverwriteOmission {
  /** For the report. */
  readonly left: string;
  /** Name of what was there. */
  readonly before: string;
  readonly flaw: Flaw;
  /** A part of the short run. */
  readonly inShard?: true;
  /** What is said of at least one state. */
  readonly says: RegExp;
}

const isNote = (bytes: Uint8Array): boolean => Buffer.compare(bytes, UNFINISHED) === 0;

export const OVERWRITE_OMISSIONS: readonly OverwriteOmission[] = [
  {
    left: "the note in place of the boot sector, before anything else",
    before: "a disk with an MBR",
    inShard: true,
    flaw: {
      device: (device) => ({
        ...device,
        write: async (at, bytes) => (isNote(bytes) ? undefined : await device.write(at, bytes)),
      }),
    },
    says: /^BIOS starts from the boot sector what is neither/,
  },
  {
    left: "the flush after the note",
    before: "a disk of petrify's",
    flaw: { log: (log) => log.filter((entry, at) => entry.is !== "flush" || at !== log.findIndex(({ is }) => is === "flush")) },
    says: /^BIOS starts from the boot sector what is neither/,
  },
  {
    left: "the end of what was there, before the image is written",
    before: "a disk of petrify's",
    flaw: {
      plan: (plan) => ({ ...plan, blank: [] }),
      device: (device) => ({
        ...device,
        write: async (at, bytes) => (isNote(bytes) ? undefined : await device.write(at, bytes)),
      }),
    },
    says: /^UEFI starts from partition 2 of the partition table what is neither/,
  },
  {
    left: "the old headers' turn before what they lead to",
    before: "a disk with a GPT",
    flaw: {
      plan: (plan) => ({
        ...plan,
        blank: [
          { start: plan.last.size, size: MiB - plan.last.size },
          { start: plan.blank.at(-1)!.start, size: plan.blank[1]!.start + plan.blank[1]!.size - plan.blank.at(-1)!.start },
        ],
      }),
    },
    says: /^UEFI without a boot sector starts from partition 1 of the partition table what is neither/,
  },
  {
    left: "the note, zeros in its place",
    before: "a blank disk",
    flaw: {
      device: (device) => ({
        ...device,
        write: async (at, bytes) => await device.write(at, isNote(bytes) ? new Uint8Array(bytes.length) : bytes),
      }),
    },
    says: /^the same command is refused: DEVICE_HOLDS_DATA/,
  },
  {
    left: "a write of its own for the boot sector, at the end",
    before: "a blank disk",
    inShard: true,
    flaw: { plan: (plan) => ({ ...plan, tables: plan.tables.slice(0, -1), last: { start: 0, size: 8192 } }) },
    says: /^BIOS starts from the boot sector what is neither/,
  },
  {
    left: "the flush before the boot sector is written",
    before: "a blank disk",
    flaw: {
      log: (log) => {
        const last = log.findLastIndex(({ is }) => is === "write");
        const flush = log.slice(0, last).findLastIndex(({ is }) => is === "flush");
        return log.filter((_, at) => at !== flush);
      },
    },
    says: /^BIOS starts from the boot sector what is neither/,
  },
  {
    left: "the flush of the image before the tables are written",
    before: "a blank disk",
    flaw: {
      log: (log) => {
        const finishing = log.findIndex((entry) => entry.is === "mark" && entry.text === "step finishing");
        const flushes = log.flatMap(({ is }, at) => (is === "flush" ? [at] : []));
        return log.filter(
          (_, at) => !flushes.includes(at) || at < flushes.findLast((one) => one < finishing)! || at === flushes.at(-1),
        );
      },
    },
    says: /starts from .* what is neither/,
  },
  {
    left: "reading back, on a medium that flips a bit",
    before: "a blank disk",
    flaw: { device: forgetful },
    says: /^in the end \d+ blocks are not the image's/,
  },
];

/** Flips a bit in the first MiB that is written of the image, and gives back what it was given. */
function forgetful(device: Parameters<NonNullable<Flaw["device"]>>[0]): typeof device {
  const given = new Map<number, Uint8Array>();
  return {
    ...device,
    write: async (at, bytes) => {
      if (at < MiB || given.size > 0) return await device.write(at, bytes);
      given.set(at, bytes.slice());
      const wrong = bytes.slice();
      wrong[100_000]! ^= 4;
      await device.write(at, wrong);
    },
    read: async (at, length) => given.get(at) ?? (await device.read(at, length)),
  };
}

export async function detectOverwrite(
  { before, after }: Overwrites,
  omission: OverwriteOmission,
  statesAnEpoch: number,
): Promise<Detection & { readonly found: boolean }> {
  const disk = before.find(({ name }) => name === omission.before)!;
  const cut = {
    operation: "flash",
    before: disk,
    after: after.flash,
    flaw: omission.flaw,
    seed: 7,
    statesAnEpoch,
    boots: 0,
    repeats: 0,
  };
  const { failures } = await cutOverwrite(cut);
  const fitting = failures.flatMap(({ problems }) => problems).filter((text) => omission.says.test(text));
  const example = fitting[0] ?? frequent(failures)[0] ?? "nothing";
  return {
    ...{ left: omission.left, scenario: `flash over ${disk.name}`, failures: failures.length, example },
    found: fitting.length > 0,
  };
}
