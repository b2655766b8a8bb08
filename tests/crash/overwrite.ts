/** Writes an image over a whole disk, cuts the power at every moment of it, and judges what is left. */
import { existsSync } from "node:fs";
import { mkdtempDisposable, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alignUp, MiB, type Bytes } from "../../src/core/units.ts";
import { flash, type FlashSource } from "../../src/host/flash.ts";
import type { FlashDevice } from "../../src/host/flash-device.ts";
import { targetFacts } from "../../src/host/flash-target.ts";
import { openDirect } from "../../src/host/direct-read.ts";
import { openImage } from "../../src/host/image-file.ts";
import type { Run } from "../../src/host/run.ts";
import { sha256 } from "../../src/host/sha256.ts";
import { flashPlan, isUnfinished, type FlashPlan } from "../../src/layout/flash-plan.ts";
import { refusalsOf } from "../../src/layout/flash-target.ts";
import type { ReadAt } from "../../src/layout/gpt.ts";
import { petrifyDisk } from "../../src/release/petrify-disk.ts";
import type { Firmware } from "../../src/vm/options.ts";
import { BLOCK, blockHasher, blockMap, ZERO, type BlockMap } from "./block-map.ts";
import { CATALOGUE, foundBy, READERS, type Found, type Reader } from "./firmware.ts";
import type { Failure, StepResult } from "./matrix.ts";
import { seededRandom, type Piece, type Write } from "./power-cut.ts";
import { lately, recorder, type Delay, type LogEntry } from "./recorder.ts";
import { reservoir } from "./reservoir.ts";
import { openRunner, type Runner } from "./runner.ts";
import type { StartingDisk } from "./starting-disks.ts";
import { statesOf } from "./states.ts";
import { semaphore, writeSparse } from "./views.ts";

/** What a disk becomes. */
export interface NewDisk {
  readonly source: FlashSource & { readonly size: Bytes };
  /** What its kernel says. */
  readonly says: string;
  /** What began it, where nobody did: who does it of itself knows by this that it has been done. */
  readonly installedFrom?: string;
}

type Device = Omit<FlashDevice, keyof AsyncDisposable>;
/** A safety measure that is left out. */
export interface Flaw {
  readonly plan?: (plan: FlashPlan) => FlashPlan;
  readonly device?: (device: Device) => Device;
  readonly log?: (log: readonly LogEntry[]) => readonly LogEntry[];
}

export interface Overwrite {
  /** `flash`, `install` */
  readonly operation: string;
  readonly before: StartingDisk;
  readonly after: NewDisk;
  readonly seed: number;
  /** At most so many states an epoch. */
  readonly statesAnEpoch: number;
  /** So many states of each outcome are kept for a real boot. */
  readonly boots: number;
  /** In so many states it is done once more. */
  readonly repeats: number;
  readonly flaw?: Flaw;
}

/** What starts from a disk, by firmware: the words of what was there, or of the image; nothing where firmware finds nothing. */
type Outcome = Readonly<Partial<Record<Firmware, string>>>;

export interface OverwriteSample {
  readonly scenario: string;
  readonly epoch: number;
  readonly size: Bytes;
  readonly sectorSize: 512 | 4096;
  readonly blocks: readonly Piece[];
  readonly outcome: Outcome;
  /** Those that can tell. */
  readonly firmwares: readonly Firmware[];
}
export interface OverwriteResult {
  readonly name: string;
  readonly on: string;
  readonly steps: readonly StepResult[];
  readonly failures: readonly Failure[];
  readonly samples: readonly OverwriteSample[];
  readonly seconds: { readonly record: number; readonly replay: number };
}

/** Records it at the interface that the disk is written through, and judges it. */
export async function cutOverwrite(overwrite: Overwrite): Promise<OverwriteResult> {
  const started = performance.now();
  const log = await recordOverwrite(overwrite);
  const recorded = performance.now();
  const judged = await judgeOverwrite(overwrite, "file", overwrite.flaw?.log?.(log) ?? log);
  return {
    ...judged,
    seconds: { record: (recorded - started) / 1000, replay: (performance.now() - recorded) / 1000 },
  };
}

async function recordOverwrite({ before, after, flaw = {} }: Overwrite): Promise<readonly LogEntry[]> {
  using base = openBase(before);
  const log = recorder(before.size, base.read, lately);
  const device = deviceOf(log, before.sectorSize);
  await writeOver(after, before, flaw.device?.(device) ?? device, { plan: flaw.plan, step: (name) => log.mark(`step ${name}`) });
  return log.log.slice();
}

async function writeOver(
  { source }: NewDisk,
  { size, sectorSize }: Pick<StartingDisk, "size" | "sectorSize">,
  device: Device,
  { plan = (own) => own, step }: { readonly plan: Flaw["plan"]; readonly step: (name: string) => void },
): Promise<void> {
  let current: string | undefined;
  step("ending what was there");
  await flash({
    ...{ source, path: "the disk", device, plan: plan(flashPlan(source.size, size, sectorSize)) },
    signal: new AbortController().signal,
    progress: (phase) => {
      if (phase !== current) step((current = phase));
    },
  });
}

function deviceOf(log: ReturnType<typeof recorder>, sectorSize: Bytes): Device {
  return {
    size: log.size,
    write: async (offset, bytes) => {
      const sectors = new Uint8Array(alignUp(bytes.length, sectorSize));
      sectors.set(bytes);
      await log.write(offset, sectors, false);
    },
    zero: async (offset, length) => await log.zero(offset, length, "zeroes", false),
    flush: async () => await log.flush(),
    read: async (offset, length) => await log.read(offset, length),
  };
}

interface Base extends Disposable {
  readonly size: Bytes;
  readonly read: ReadAt;
}
const openBase = ({ path, size }: StartingDisk): Base =>
  path === undefined ? { size, read: (_, length) => new Uint8Array(length), [Symbol.dispose]: () => {} } : openImage(path);

// --- the states -----------------------------------------------------------------------------------------------------------

/** How many blocks are not what they were, and not what they are to be; of all, and of what a table leads to. */
interface Differing {
  readonly old: { all: number; system: number };
  readonly new: { all: number; body: number };
}
interface Overwritten extends BlockMap {
  readonly differing: Differing;
  /** Equal for equal contents: of the whole disk, of the ends that firmware looks at. */
  readonly sums: { whole: bigint; ends: bigint };
}

function overwritten(before: StartingDisk, base: Base, after: BlockMap, plan: FlashPlan): Overwritten {
  const old = blockMap(base);
  const end = plan.tables.reduce((last, { start, size }) => Math.max(last, start + size), 0);
  const isIn = (index: number, { start, size }: { start: Bytes; size: Bytes }): boolean =>
    index * BLOCK + BLOCK > start && index * BLOCK < start + size;
  const isSystem = (index: number): boolean => before.system.some((extent) => isIn(index, extent));
  const isEnd = (index: number): boolean => !isIn(index, plan.body) || index * BLOCK >= before.size - MiB;
  const hash = blockHasher();
  const differing: Differing = { old: { all: 0, system: 0 }, new: { all: 0, body: 0 } };
  const sums = { whole: 0n, ends: 0n };
  const same = (one: Uint8Array, other: Uint8Array): boolean => one === other || Buffer.compare(one, other) === 0;
  const count = (index: number, block: Uint8Array, by: 1 | -1): void => {
    if (!same(block, old.at(index))) {
      differing.old.all += by;
      if (isSystem(index)) differing.old.system += by;
    }
    if (index * BLOCK < end && !same(block, after.at(index))) {
      differing.new.all += by;
      if (isIn(index, plan.body)) differing.new.body += by;
    }
    const sum = hash(index, block);
    sums.whole ^= sum;
    if (isEnd(index)) sums.ends ^= sum;
  };
  const map = blockMap(base, (index, from, to) => {
    count(index, from, -1);
    count(index, to, 1);
  });
  for (const index of new Set([...map.entries(), ...after.entries()].map(([place]) => place))) count(index, map.at(index), 1);
  return { ...map, differing, sums };
}

/** Judges a log. @param on what it was recorded on */
export async function judgeOverwrite(
  { operation, before, after, seed, statesAnEpoch, boots, repeats }: Overwrite,
  on: string,
  log: readonly LogEntry[],
): Promise<Omit<OverwriteResult, "seconds">> {
  const { size, sectorSize } = before;
  const name = `${operation} over ${before.name}`;
  const plan = flashPlan(after.source.size, size, sectorSize);
  const image = await contentsOf(after.source);
  using base = openBase(before);
  const disk = overwritten(before, base, image, plan);
  const random = seededRandom(seed);
  const steps = new Map<string, StepResult>();
  const failures: Failure[] = [];
  const samples = new Map<string, ReturnType<typeof reservoir<OverwriteSample>>>();
  const again = reservoir<readonly Piece[]>(repeats, random);
  const known = { raw: new Set<bigint>(), judged: new Set<string>() };
  const marks = log.flatMap((entry) => (entry.is === "mark" ? [entry.text] : []));
  await using folder = await mkdtempDisposable(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "petrify-crash-"));
  await using runner = openRunner();
  const refused = refusalsIn(folder.path, runner, after.source.size);
  const pending = new Set<Promise<void>>();
  const choice = {
    tear: (offset: Bytes): Bytes => (offset >= plan.body.start && offset < plan.body.start + plan.body.size ? BLOCK : sectorSize),
    isBulk: ({ offset }: Write) => offset >= plan.body.start && offset < plan.body.start + plan.body.size,
    placeOf: () => ({ name: "disk", start: 0 }),
    ...{ random, limit: statesAnEpoch },
  };
  const first = foundBy(disk.read, size, sectorSize);
  const failed = (epoch: number, step: StepResult, survived: readonly string[], problems: readonly string[]): void => {
    if (problems.length === 0) return;
    step.failures++;
    failures.push({ scenario: name, controller: on, seed, epoch, step: step.step, survived, problems });
  };
  let latest = -1;
  let step: StepResult = { step: "start", epochs: 0, raw: 0, distinct: 0, judged: 0, failures: 0 };
  for (const { number, epoch, survived } of statesOf(disk, log, choice)) {
    const title =
      marks
        .slice(0, epoch.marks)
        .findLast((mark) => mark.startsWith("step "))
        ?.slice(5) ?? "start";
    step = steps.get(title) ?? { step: title, epochs: 0, raw: 0, distinct: 0, judged: 0, failures: 0 };
    steps.set(title, step);
    if (number !== latest) step.epochs++;
    latest = number;
    step.raw++;
    if (!known.raw.has(disk.sums.whole)) step.distinct++;
    known.raw.add(disk.sums.whole);
    const { old, new: now } = disk.differing;
    const found = foundBy(disk.read, size, sectorSize);
    const key = [
      JSON.stringify(found),
      disk.sums.ends,
      ...[old.all, old.system, now.all, now.body].map((differ) => differ === 0),
    ].join();
    if (known.judged.has(key)) continue;
    known.judged.add(key);
    step.judged++;
    const outcome = outcomeOf(found, disk.differing, { before, after });
    // SeaBIOS reads no disk with other sectors; a boot sector without a program in it hangs.
    const readers = old.all === 0 && before.path !== undefined ? before.boots : sectorSize === 512 ? BOTH : UEFI;
    // GRUB that was started by way of a CD's catalogue looks for its files by the partition table, which may be gone: it waits for somebody.
    const firmwares = readers.filter((firmware) => found[firmware] !== CATALOGUE);
    const kept = Math.max(boots, 0) > 0 && offerTo(samples, outcome, boots, random);
    const repeated = again.offer();
    const blocks = disk.blocks({ start: 0, size });
    if (kept) kept({ scenario: name, epoch: number, size, sectorSize, blocks, outcome, firmwares });
    repeated?.(blocks);
    const problems = problemsOf(found, disk.differing, before);
    const own = step;
    const [isWhole, isOld] = [now.all === 0, old.all === 0];
    const isTaken = mustBeTaken(disk, before, image);
    const work = (async () => {
      const { codes, installedFrom } = await refused(blocks, size);
      const isDone = isWhole && installedFrom !== after.installedFrom;
      const isClaimed = !isWhole && !isOld && installedFrom !== undefined;
      const isWrong = codes.some((code) => code !== "DEVICE_HOLDS_DATA") || (isTaken && codes.length > 0);
      const said = isWrong ? [`the same command is refused: ${codes.join(", ")}`] : [];
      const marked =
        isDone || isClaimed
          ? [`the disk says that it was installed from ${installedFrom}, and it ${isWhole ? "is" : "is not"} whole`]
          : [];
      failed(number, own, survived(), [...problems, ...said, ...marked]);
    })();
    pending.add(work);
    void work.finally(() => pending.delete(work));
    if (pending.size > MOST_PENDING) await Promise.race(pending);
  }
  await Promise.all(pending);
  const last = foundBy(disk.read, size, sectorSize);
  failed(latest, step, ["everything"], [...startProblems(first, before), ...endProblems(last, disk)]);
  for (const blocks of again.kept())
    failed(latest, step, ["a state, and the same command"], await repeat(blocks, { before, after, image }));
  const keptSamples = [...samples.values()].flatMap((one) => one.kept());
  return { name, on, steps: [...steps.values()], failures, samples: keptSamples };
}

const MOST_PENDING = 64;

async function contentsOf({ read, size }: NewDisk["source"]): Promise<BlockMap> {
  const map = blockMap({ size: 0, read: () => new Uint8Array() });
  for (let at = 0; at < size; at += MiB)
    map.apply([{ offset: at, data: Uint8Array.from(await read(at, Math.min(MiB, size - at))) }]);
  return map;
}

const isWholeNew = ({ new: { all } }: Differing): boolean => all === 0;

/** Whether firmware comes to it without a boot sector: then that one may be another already. */
const doesWithout = (reader: Reader, found: Found): boolean => reader === "lenient" || found[reader] === CATALOGUE;

/** Whatever reads a boot sector finds all of one, or nothing; whoever does without is led to what is whole. */
function problemsOf(found: Found, { old, new: now }: Differing, { name }: StartingDisk): string[] {
  return READERS.flatMap((reader) => {
    const where = found[reader];
    const whole = doesWithout(reader, found) ? old.system === 0 || now.body === 0 : old.all === 0 || now.all === 0;
    if (where === undefined || whole) return [];
    return [`${SPOKEN[reader]} starts from ${where} what is neither ${name} as it was nor the image: half of one`];
  });
}
const SPOKEN = { bios: "BIOS", uefi: "UEFI", lenient: "UEFI without a boot sector" } as const;

function outcomeOf(found: Found, { old }: Differing, { before, after }: Pick<Overwrite, "before" | "after">): Outcome {
  const isOld = (firmware: Firmware): boolean => old.all === 0 || (doesWithout(firmware, found) && old.system === 0);
  const boots = old.all === 0 ? before.boots : BOTH;
  return Object.fromEntries(
    boots
      .filter((firmware) => found[firmware] !== undefined)
      .map((firmware) => [firmware, isOld(firmware) ? before.says : after.says]),
  );
}

const BOTH = ["bios", "uefi"] as const;
const UEFI = ["uefi"] as const;

function startProblems(found: Found, { name, boots }: StartingDisk): string[] {
  return boots
    .filter((firmware) => found[firmware] === undefined)
    .map((firmware) => `${name} is not what ${firmware} boots at first`);
}

function endProblems(found: Found, { differing }: Overwritten): string[] {
  return [
    ...(isWholeNew(differing) ? [] : [`in the end ${differing.new.all} blocks are not the image's`]),
    ...READERS.filter((reader) => found[reader] === undefined).map((reader) => `in the end ${SPOKEN[reader]} finds nothing`),
  ];
}

/** Once the boot sector says so and both ends hold nothing old any more, and always where there was nothing: the command may be repeated without `--wipe`. */
function mustBeTaken({ differing, at, read }: Overwritten, { path, size }: StartingDisk, image: BlockMap): boolean {
  if (isWholeNew(differing)) return false;
  if (path === undefined) return true;
  const isPast = (index: number): boolean => at(index) === ZERO || Buffer.compare(at(index), image.at(index)) === 0;
  const ends = [...range(1, MiB / BLOCK), ...range(Math.floor((size - MiB) / BLOCK), Math.ceil(size / BLOCK))];
  return isUnfinished(read(0, 512)) && ends.every(isPast);
}
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

/** What speaks against doing it without `--wipe`: codes; and what a disk says of where it was installed from. */
function refusalsIn(
  folder: string,
  runner: Runner,
  needed: Bytes,
): (blocks: readonly Piece[], size: Bytes) => Promise<{ readonly codes: readonly string[]; readonly installedFrom?: string }> {
  const turns = semaphore(AT_ONCE);
  const run: Run = async (argv, { okExit = [0] } = {}) => await runner.run({ argv, okExit, timeoutMs: LIMIT_MS });
  let number = 0;
  return async (blocks, size) =>
    await turns(async () => {
      const path = join(folder, `target-${number++}`);
      try {
        await writeSparse(path, size, blocks);
        const target = await targetFacts(path, run);
        const codes = refusalsOf(target, { needed, wipe: false }).map(({ code }) => code);
        if (target.found.length === 0) return { codes };
        await using disk = await openDirect(path);
        const own = await petrifyDisk(disk, sha256);
        return { codes, ...(own?.installedFrom === undefined ? {} : { installedFrom: own.installedFrom }) };
      } finally {
        await rm(path, { force: true });
      }
    });
}
const AT_ONCE = 3;
const LIMIT_MS = 60_000;

const immediately: Delay = async () => {};

/** The same command on what a cut has left. @returns what is wrong with the disk then */
async function repeat(
  blocks: readonly Piece[],
  { before, after, image }: Pick<Overwrite, "before" | "after"> & { readonly image: BlockMap },
): Promise<readonly string[]> {
  const left = blockMap({ size: 0, read: () => new Uint8Array() });
  left.apply(blocks);
  const log = recorder(before.size, left.read, immediately, []);
  await writeOver(after, before, deviceOf(log, before.sectorSize), { plan: undefined, step: () => {} });
  for (let at = 0; at < after.source.size; at += MiB) {
    const length = Math.min(MiB, after.source.size - at);
    const piece = await log.read(at, length);
    if (Buffer.compare(piece, image.read(at, length)) !== 0) return [`done once more, the disk is not the image at ${at}`];
  }
  return [];
}

function offerTo(
  samples: Map<string, ReturnType<typeof reservoir<OverwriteSample>>>,
  outcome: Outcome,
  boots: number,
  random: () => number,
): ((sample: OverwriteSample) => void) | undefined {
  const key = JSON.stringify(outcome);
  const own = samples.get(key) ?? reservoir<OverwriteSample>(boots, random);
  samples.set(key, own);
  return own.offer();
}
