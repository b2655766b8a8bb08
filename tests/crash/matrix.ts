/** Runs a scenario, cuts the power at every moment of it, and judges what is left. */
import { mkdtempDisposable } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bytes } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import type { ImageName } from "../../src/layout/boot-rules.ts";
import { DISK_PARTITIONS, IMAGE_FILES, TRIES_FILE, type DiskPartition, type Extent } from "../../src/layout/disk.ts";
import { findInFat } from "../../src/layout/fat.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import { encodeResetOrder, RESET_ORDER_OFFSET } from "../../src/layout/reset-order.ts";
import { firstRecord, type BootRecord } from "../../src/layout/record.ts";
import { encodeTries } from "../../src/layout/tries.ts";
import type { Controller } from "../../src/vm/options.ts";
import type { VmHost } from "../../src/vm/vm.ts";
import type { MatrixImage, MatrixParts } from "./matrix-disk.ts";
import { seededRandom, type Piece, type Write } from "./power-cut.ts";
import { recordGrub, recordLab, type Linux } from "./record-run.ts";
import type { LogEntry } from "./recorder.ts";
import { replayDisk, type DiskLayout, type Region, type ReplayDisk } from "./replay-disk.ts";
import type { Moment, Scenario } from "./scenarios.ts";
import { reservoir } from "./reservoir.ts";
import { openRunner } from "./runner.ts";
import { statesOf } from "./states.ts";
import { look, problems, type Seen } from "./verdict.ts";
import { openViews, seenByGrub, writeSparse, type Turns } from "./views.ts";

/** What every run of the matrix needs. */
export interface Matrix {
  readonly host: VmHost;
  readonly linux: Linux;
  readonly parts: MatrixParts;
  /** An existing folder for disks; the caller removes it. */
  readonly folder: string;
  /** Of virtual machines. */
  readonly turns: Turns;
}

export interface Cut {
  readonly scenario: Scenario;
  readonly controller: Controller;
  readonly seed: number;
  /** At most so many states an epoch. */
  readonly statesAnEpoch: number;
  /** So many states are kept for a real boot. */
  readonly boots: number;
  /** Of so many states the machine goes on to the end, where the scenario says how. Default 0. */
  readonly goOn?: number;
  /** Path of the disk that the scenario starts from. */
  readonly disk: string;
  /** Safety measures that the lab leaves out. */
  readonly without?: readonly string[];
  /** And those that it leaves out when the machine goes on. */
  readonly withoutAgain?: readonly string[];
}

/** What one step of a scenario came to. */
export interface StepResult {
  readonly step: string;
  epochs: number;
  /** States that were looked at. */
  raw: number;
  /** Different ones. */
  distinct: number;
  /** Different ones when data of image files counts only for whether it is an image. */
  judged: number;
  failures: number;
}
export interface Failure {
  readonly scenario: string;
  /** Controller of the disk. */
  readonly controller: string;
  readonly seed: number;
  readonly epoch: number;
  readonly step: string;
  /** The writes that were not durable, and which of them survived. */
  readonly survived: readonly string[];
  readonly problems: readonly string[];
}
/** A state to be booted, and what has to happen then. */
export interface BootSample {
  readonly scenario: string;
  readonly epoch: number;
  readonly size: Bytes;
  readonly blocks: readonly Piece[];
  readonly boots: ImageName | undefined;
  readonly image: string | undefined;
}
export interface CutResult {
  readonly cut: Cut;
  readonly log: readonly LogEntry[];
  readonly steps: readonly StepResult[];
  readonly failures: readonly Failure[];
  readonly samples: readonly BootSample[];
  /** The power was cut once more while the machine went on: one for each state of which it did, where the scenario says so. */
  readonly again: readonly CutResult[];
  /** How often programs looked at a file system. */
  readonly looks: number;
  readonly seconds: { readonly record: number; readonly replay: number };
}

const SECTOR: Bytes = 512;
const BLOCK: Bytes = 4096;
/** What is torn at blocks: ext4's superblock torn at sectors is beyond what `e2fsck -p` mends, whoever writes. */
const EXT4: readonly DiskPartition[] = ["oem", "recovery", "state", "persistent"];
const REGIONS: readonly Region[] = [...DISK_PARTITIONS, "table", "a", "b", "recovery1", "recovery2"];
const IMAGE_NAMES = Object.keys(IMAGE_FILES) as ImageName[];

/** Where things are on a disk. @param size of the disk that the guest sees */
async function layoutOf({ host: { tools } }: Matrix, disk: string, size: Bytes): Promise<DiskLayout> {
  using image = openImage(disk);
  const gpt = decodeGpt(image.read, image.size, 512);
  const partitions = {} as Record<DiskPartition, Extent>;
  for (const name of DISK_PARTITIONS) partitions[name] = gpt.partitions.find((partition) => partition.name === name)!;
  // What may grow does, to the end.
  const { start } = partitions.persistent;
  partitions.persistent = { start, size: size - partitions.bios.start - start };
  const view = await seenByGrub(tools, disk);
  const images = {} as Record<ImageName, Extent>;
  for (const name of IMAGE_NAMES) {
    const [extent, more] = view[name];
    if (!extent || more) throw new Error(`${name} does not lie in one piece`);
    images[name] = { start: partitions[name.length === 1 ? "state" : "recovery"].start + extent.start, size: extent.size };
  }
  return { size, partitions, images };
}

const imagesIn = ({ parts }: Matrix): readonly MatrixImage[] => Object.values(parts.images);

async function openReplay(matrix: Matrix, disk: string, size?: Bytes): Promise<ReplayDisk> {
  using base = openImage(disk);
  return replayDisk(await layoutOf(matrix, disk, size ?? base.size), imagesIn(matrix), base);
}

async function save(disk: ReplayDisk, path: string): Promise<void> {
  await writeSparse(path, disk.layout.size, disk.blocks({ start: 0, size: disk.layout.size }));
}

/** Puts what the scenario starts from on a copy of its disk. @returns the size of the disk */
async function prepare(matrix: Matrix, { scenario, disk: from }: Cut, path: string): Promise<Bytes> {
  const disk = await openReplay(matrix, from);
  const { partitions, images } = disk.layout;
  const { slots, states, active, tries } = scenario;
  const imageOf = (slot: "a" | "b"): MatrixImage | undefined => {
    const name = slots[slot];
    return name && matrix.parts.images[name];
  };
  const slotRecord = (slot: "a" | "b"): BootRecord["slots"]["a"] => {
    const image = imageOf(slot);
    return { state: states[slot], ...(image && states[slot] !== "empty" ? { digest: image.digest } : {}) };
  };
  const record = firstRecord({ active, slots: { a: slotRecord("a"), b: slotRecord("b") }, recovery: 1 });
  const inEfi = (offset: Bytes, length: Bytes): Uint8Array => disk.read(partitions.efi.start + offset, length);
  const triesAt = findInFat(inEfi, TRIES_FILE).extents[0]!.start;
  disk.apply([
    ...record.map(({ offset, data }) => ({ offset: partitions.record.start + offset, data })),
    ...(scenario.order ? [{ offset: partitions.record.start + RESET_ORDER_OFFSET, data: encodeResetOrder(scenario.order) }] : []),
    { offset: partitions.efi.start + triesAt, data: encodeTries(tries) },
    ...(["a", "b"] as const).flatMap((slot): Piece[] => {
      const image = imageOf(slot);
      const { start, size } = images[slot];
      return image ? [{ offset: start, data: image.bytes }] : [{ offset: start, data: new Uint8Array(size) }];
    }),
  ]);
  await save(disk, path);
  return disk.layout.size;
}

/** Records the scenario and judges it. */
export async function cutPower(matrix: Matrix, cut: Cut): Promise<CutResult> {
  const { scenario, controller, without = [] } = cut;
  const { host, linux, parts } = matrix;
  const started = performance.now();
  const path = pathOf(matrix, cut);
  const size = (await prepare(matrix, cut, path)) + (scenario.grows ?? 0);
  const { run, boots: slot = "a" } = scenario;
  const rootHash = parts.images[slot === "a" ? scenario.slots.a! : "old"].manifest.rootHash;
  const log = await matrix.turns(async () =>
    typeof run === "string"
      ? await recordLab(host, linux, { disk: path, size, controller, lab: parts.lab, rootHash, slot, operation: run, without })
      : await recordGrub(host, { disk: path, controller, boots: run.boots }),
  );
  const recorded = performance.now();
  const { left, ...judged } = await judge(matrix, cut, path, size, log);
  const failures = [...judged.failures];
  const again: CutResult[] = [];
  for (const state of left) {
    const gone = await goOn(matrix, cut, rootHash, state);
    if ("log" in gone) again.push(gone);
    else failures.push(...gone.failures);
  }
  const seconds = { record: (recorded - started) / 1000, replay: (performance.now() - recorded) / 1000 };
  return { cut, log, ...judged, failures, again, seconds };
}

/** A state that the scenario can go on from. */
interface LeftState {
  readonly epoch: number;
  readonly step: string;
  readonly survived: readonly string[];
  readonly size: Bytes;
  readonly blocks: readonly Piece[];
}

/** Starts the machine from what a cut has left, and judges what it comes to; of a scenario that says so, every moment until then. */
async function goOn(
  matrix: Matrix,
  cut: Cut,
  rootHash: string,
  { size, blocks, ...state }: LeftState,
): Promise<CutResult | { readonly failures: readonly Failure[] }> {
  const { host, linux, parts } = matrix;
  const { scenario, controller, seed, withoutAgain: without = [] } = cut;
  const { again, boots: slot = "a" } = scenario;
  if (!again) return { failures: [] };
  const started = performance.now();
  const from = `epoch ${state.epoch}: ${state.survived.join(", ")}`;
  const { again: _, ...rest } = scenario;
  const next: Scenario = { ...rest, name: `${scenario.name}, gone on`, claims: again.claims };
  const nextCut: Cut = { ...cut, scenario: next, boots: 0, without };
  const path = pathOf(matrix, nextCut);
  await writeSparse(path, size, blocks);
  const run = { disk: path, size, controller, lab: parts.lab, rootHash, slot, operation: again.run, without } as const;
  const log = await matrix.turns(async () => await recordLab(host, linux, run));
  if (again.cuts) {
    const recorded = performance.now();
    const { left: _left, failures, ...judged } = await judge(matrix, nextCut, path, size, log);
    const seconds = { record: (recorded - started) / 1000, replay: (performance.now() - recorded) / 1000 };
    const told = failures.map((failure) => ({ ...failure, survived: [`of the cut before, ${from}`, ...failure.survived] }));
    return { cut: nextCut, log, ...judged, failures: told, again: [], seconds };
  }
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-crash-"));
  await using runner = openRunner();
  const views = openViews(host.tools, runner, folder.path);
  const disk = await openReplay(matrix, path, size);
  const first = await look(disk, views, scenario.watched ?? {});
  disk.apply(log.flatMap((entry) => (entry.is === "write" ? [entry] : [])));
  const last = await look(disk, views, scenario.watched ?? {});
  const past = log.flatMap((entry) => (entry.is === "mark" ? [entry.text] : []));
  const found = [
    ...problems(last, disk, imagesIn(matrix)),
    ...again.claims.flatMap((claim) => claim({ seen: last, past, future: [], first, last })),
  ];
  if (found.length === 0) return { failures: [] };
  return {
    failures: [{ scenario: scenario.name, controller, seed, ...state, problems: found.map((text) => `it went on: ${text}`) }],
  };
}

/** Judges another log in place of the one that was recorded. */
export async function rejudge(matrix: Matrix, { cut, seconds }: CutResult, log: readonly LogEntry[]): Promise<CutResult> {
  const path = pathOf(matrix, cut);
  using base = openImage(path);
  const { left: _, ...judged } = await judge(matrix, cut, path, base.size + (cut.scenario.grows ?? 0), log);
  return { cut, log, ...judged, again: [], seconds };
}

const pathOf = ({ folder }: Matrix, { scenario, controller, seed, without = [] }: Cut): string =>
  join(folder, `${[scenario.name, controller, seed, ...without].join("-").replaceAll(/[^\w-]+/g, "-")}.raw`);

/** What a disk holds once everything has been written, as a disk for the next scenario. */
export async function settle(matrix: Matrix, { cut, log }: CutResult, path: string): Promise<void> {
  const before = pathOf(matrix, cut);
  using base = openImage(before);
  const disk = await openReplay(matrix, before, base.size + (cut.scenario.grows ?? 0));
  disk.apply(log.flatMap((entry) => (entry.is === "write" ? [entry] : [])));
  await save(disk, path);
}

interface Judged extends Pick<CutResult, "steps" | "failures" | "samples" | "looks"> {
  readonly left: readonly LeftState[];
}

async function judge(matrix: Matrix, cut: Cut, path: string, size: Bytes, log: readonly LogEntry[]): Promise<Judged> {
  const { scenario, controller, seed } = cut;
  await using folder = await mkdtempDisposable(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "petrify-crash-"));
  await using runner = openRunner();
  const views = openViews(matrix.host.tools, runner, folder.path);
  const disk = await openReplay(matrix, path, size);
  const images = imagesIn(matrix);
  const see = (): Promise<Seen> => look(disk, views, scenario.watched ?? {});
  const marks = log.flatMap((entry) => (entry.is === "mark" ? [entry.text] : []));
  const first = await see();
  const undo = disk.apply(log.flatMap((entry) => (entry.is === "write" ? [entry] : [])));
  const last = await see();
  undo();

  const random = seededRandom(seed);
  const steps = new Map<string, StepResult>();
  const failures: Failure[] = [];
  const samples = reservoir<BootSample>(cut.boots, random);
  const left = reservoir<LeftState>(cut.goOn ?? 0, random);
  const known = { raw: new Set<string>(), left: new Set<string>(), judged: new Set<string>(), boots: new Set<string>() };
  const pending = new Set<Promise<void>>();
  const choice = {
    ...{ tear: tearAt(disk.layout), placeOf: placeIn(disk.layout), random, limit: cut.statesAnEpoch },
    isBulk: (write: Write) => isImageData(disk.layout, write),
  };
  let latest = -1;
  const inEpoch = new Set<string>();
  for (const { number, epoch, survived } of statesOf(disk, log, choice)) {
    const step = stepAt(marks, epoch.marks);
    const result = steps.get(step) ?? { step, epochs: 0, raw: 0, distinct: 0, judged: 0, failures: 0 };
    steps.set(step, result);
    if (number !== latest) {
      latest = number;
      result.epochs++;
      inEpoch.clear();
    }
    result.raw++;
    const { raw, collapsed, boot } = keysOf(disk);
    if (add(known.raw, raw)) result.distinct++;
    if (scenario.again?.when(marks.slice(0, epoch.marks), disk) && add(known.left, raw)) {
      left.offer()?.({ epoch: number, step, survived: survived(), size, blocks: disk.blocks({ start: 0, size }) });
    }
    // The same state at another moment has to keep what has been promised by then.
    if (!add(inEpoch, collapsed)) continue;
    if (add(known.judged, collapsed)) result.judged++;
    const blocks = cut.boots > 0 && add(known.boots, boot) ? samples.offer() : undefined;
    const content = blocks ? disk.blocks({ start: 0, size }) : [];
    const seeing = see();
    const work = (async () => {
      const seen = await seeing;
      const moment: Moment = { seen, past: marks.slice(0, epoch.marks), future: marks.slice(epoch.marks), first, last };
      const found = [...problems(seen, disk, images, scenario.remade), ...scenario.claims.flatMap((claim) => claim(moment))];
      const { boots } = seen.decision;
      const image = boots && seen.held[boots].whole;
      blocks?.({ scenario: scenario.name, epoch: number, size, blocks: content, boots, image });
      if (found.length === 0) return;
      result.failures++;
      failures.push({ scenario: scenario.name, controller, seed, epoch: number, step, survived: survived(), problems: found });
    })();
    pending.add(work);
    void work.finally(() => pending.delete(work));
    if (pending.size > MOST_PENDING) await Promise.race(pending);
  }
  await Promise.all(pending);
  return { steps: [...steps.values()], failures, samples: samples.kept(), left: left.kept(), looks: views.looks() };
}

const MOST_PENDING = 64;

/** @returns whether it was not there */
function add<T>(set: Set<T>, value: T): boolean {
  if (set.has(value)) return false;
  set.add(value);
  return true;
}

function keysOf(disk: ReplayDisk): { readonly raw: string; readonly collapsed: string; readonly boot: string } {
  const sums = new Map(REGIONS.map((region) => [region, disk.sum(region)]));
  const held = IMAGE_NAMES.map((name) => `${disk.held(name).whole}/${disk.held(name).boots}`).join();
  const of = (regions: readonly Region[]): string => regions.map((region) => sums.get(region)).join();
  const withoutData = REGIONS.filter((region) => !IMAGE_NAMES.includes(region as ImageName));
  return {
    raw: of(REGIONS),
    collapsed: `${of(withoutData)} ${held}`,
    boot: `${of(["table", "efi", "record", "state", "recovery"])} ${held}`,
  };
}

/** What the marks so far count under. */
function stepAt(marks: readonly string[], number: number): string {
  const step = marks.slice(0, number).findLast((mark) => mark.startsWith("step "));
  return step?.slice(5) ?? "start";
}

const inside = ({ start, size }: Extent, offset: Bytes): boolean => offset >= start && offset < start + size;

const tearAt =
  ({ partitions }: DiskLayout) =>
  (offset: Bytes): Bytes =>
    EXT4.some((name) => inside(partitions[name], offset)) ? BLOCK : SECTOR;

const isImageData = ({ images }: DiskLayout, { offset }: Write): boolean =>
  Object.values(images).some((extent) => inside(extent, offset));

const placeIn =
  ({ images, partitions }: DiskLayout) =>
  (offset: Bytes): { readonly name: string; readonly start: Bytes } => {
    const places = [...Object.entries(images), ...Object.entries(partitions)];
    const [name, { start }] = places.find(([, place]) => inside(place, offset)) ?? ["disk", { start: 0 }];
    return { name, start };
  };
