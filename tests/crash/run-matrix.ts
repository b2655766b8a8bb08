/** The matrix as a whole: which scenarios on which controllers, judged, and a part of their states booted for real. */
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openImage } from "../../src/host/image-file.ts";
import { IMAGE_FILES } from "../../src/layout/disk.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import { SYSTEM_IMAGE_SECTOR } from "../../src/layout/system-image.ts";
import type { Controller, Firmware } from "../../src/vm/options.ts";
import type { VmHost } from "../../src/vm/vm.ts";
import { fixture } from "../vm/harness/fixture.ts";
import { copyOut } from "../vm/harness/places.ts";
import { takeCore } from "../support/turns.ts";
import { cutPower, settle, type BootSample, type Cut, type CutResult, type Matrix } from "./matrix.ts";
import { makeMatrixParts } from "./matrix-disk.ts";
import { cutOverwrite, type Overwrite, type OverwriteResult, type OverwriteSample } from "./overwrite.ts";
import { cutOnDevice, OVERWRITING, type Overwrites, type Overwriting } from "./overwrites.ts";
import { bootOnce } from "./record-run.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";
import type { StartingDisk } from "./starting-disks.ts";
import { writeSparse, type Turns } from "./views.ts";

export interface MatrixOptions {
  readonly controllers: readonly Controller[];
  /** Recordings of each scenario on each controller: each orders its writes in another way. */
  readonly logs: number;
  readonly statesAnEpoch: number;
  /** States of each recording that are booted for real. */
  readonly boots: number;
  /** States of each recording from which the machine goes on to the end, where the scenario says how. Default 0. */
  readonly goOn?: number;
  /** Default all; the first boot is always run, because the others start from what it leaves. */
  readonly scenarios?: readonly string[];
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface BootResult {
  readonly sample: Omit<BootSample, "blocks"> | (Omit<OverwriteSample, "blocks"> & { readonly firmware: Firmware });
  /** What the kernel that was started said; nothing when none was. */
  readonly said: string | undefined;
  readonly asExpected: boolean;
}
export interface MatrixResult {
  readonly cuts: readonly CutResult[];
  readonly overwrites: readonly OverwriteResult[];
  readonly boots: readonly BootResult[];
}

/**
 * A folder with everything that a run needs; it goes with the scope.
 *
 * @param turns of virtual machines
 */
export async function openMatrix(turns: Turns): Promise<Matrix & AsyncDisposable> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await mkdtempDisposable(join(tmpdir(), "petrify-matrix-"))).path;
  const { host, image } = await fixture();
  const linux = await linuxOf(host, image, folder);
  const parts = await makeMatrixParts(host.tools, folder);
  const scope = cleanup.move();
  return {
    host,
    linux,
    parts,
    folder,
    turns,
    [Symbol.asyncDispose]: async () => await scope.disposeAsync(),
  };
}

/** Kernel and initrd out of a built image. */
async function linuxOf({ tools }: VmHost, path: string, folder: string): Promise<Matrix["linux"]> {
  using image = openImage(path);
  const boot = decodeGpt(image.read, image.size, SYSTEM_IMAGE_SECTOR).partitions.find(({ name }) => name === "boot")!;
  const linux = { kernel: join(folder, "linux"), initrd: join(folder, "linux-initrd") };
  await writeFile(linux.kernel, await copyOut(tools, `${path}@@${boot.start}`, "vmlinuz"));
  await writeFile(linux.initrd, await copyOut(tools, `${path}@@${boot.start}`, "initrd"));
  return linux;
}

export async function runMatrix(matrix: Matrix, options: MatrixOptions): Promise<Omit<MatrixResult, "overwrites">> {
  const { controllers, logs, scenarios, seed } = options;
  const [first, ...rest] = SCENARIOS;
  const chosen = rest.filter(({ name }) => scenarios === undefined || scenarios.includes(name));
  const cuts: CutResult[] = [];
  const boots: BootResult[] = [];
  const one = async (scenario: Scenario, controller: Controller, log: number, disk: string): Promise<CutResult> => {
    const { statesAnEpoch, boots: number } = options;
    const result = await cutPower(matrix, {
      scenario,
      controller,
      seed: seed + log,
      statesAnEpoch,
      boots: number,
      goOn: options.goOn ?? 0,
      disk,
    });
    for (const part of [result, ...result.again]) {
      options.say(lineOf({ ...part, name: part.cut.scenario.name, on: `${controller}, seed ${seed + log}` }));
      cuts.push({ ...part, log: [], samples: [], again: [] }); // they take much memory
    }
    for (const sample of result.samples) {
      const booted = await bootSample(matrix, sample);
      if (!booted.asExpected) options.say(`  booted, and not as expected: ${JSON.stringify(booted)}`);
      boots.push(booted);
    }
    return result;
  };
  const recordings = controllers.flatMap((controller) => Array.from({ length: logs }, (_, log) => ({ controller, log })));
  const settled = settledDisk(matrix);
  await inTurns(AT_ONCE, recordings, async ({ controller, log }) => {
    const result = await one(first!, controller, log, matrix.parts.disk);
    if (log === 0 && controller === controllers[0]) await settle(matrix, result, settled);
  });
  const jobs = chosen.flatMap((scenario) => recordings.map((recording) => ({ scenario, ...recording })));
  await inTurns(AT_ONCE, jobs, async ({ scenario, controller, log }) => void (await one(scenario, controller, log, settled)));
  return { cuts, boots };
}

export interface OverwritesOptions extends Pick<MatrixOptions, "statesAnEpoch" | "boots" | "seed" | "say"> {
  /** Default both. */
  readonly operations?: readonly Overwriting[];
  /** Names of what was there; default all. */
  readonly over?: readonly string[];
  /** What is done once more on a real device, and on which. Default none. */
  readonly devices?: readonly { readonly over: string; readonly controller: Controller }[];
}

/** Whole disks that are overwritten. */
export async function runOverwrites(
  matrix: Matrix,
  { before, after }: Overwrites,
  { operations = OVERWRITING, over, devices = [], statesAnEpoch, boots: number, seed, say }: OverwritesOptions,
): Promise<Omit<MatrixResult, "cuts">> {
  const overwrites: OverwriteResult[] = [];
  const boots: BootResult[] = [];
  const finish = async (result: OverwriteResult): Promise<void> => {
    say(lineOf(result));
    overwrites.push({ ...result, samples: [] });
    for (const sample of result.samples) {
      for (const booted of await bootOverwritten(matrix, sample)) {
        if (!booted.asExpected) say(`  booted, and not as expected: ${JSON.stringify(booted)}`);
        boots.push(booted);
      }
    }
  };
  const of = (operation: Overwriting, disk: StartingDisk): Overwrite => ({
    ...{ operation, before: disk, after: after[operation], seed, statesAnEpoch, boots: number, repeats: 2 },
  });
  for (const operation of operations) {
    for (const disk of before.filter(({ name }) => over === undefined || over.includes(name))) {
      await finish(await cutOverwrite(of(operation, disk)));
    }
  }
  for (const { over: name, controller } of devices) {
    const disk = before.find((one) => one.name === name)!;
    await finish(await cutOnDevice(matrix, { ...of("flash", disk), boots: 0 }, controller));
  }
  return { overwrites, boots };
}

/** On every firmware that reads such a disk; not what never booted on it. */
async function bootOverwritten(
  { host, folder, turns }: Matrix,
  { blocks, ...sample }: OverwriteSample,
): Promise<readonly BootResult[]> {
  const disk = join(folder, `boot-${boots++}.raw`);
  await writeSparse(disk, sample.size, blocks);
  const results: BootResult[] = [];
  for (const firmware of sample.firmwares) {
    const said = await turns(async () => await bootOnce(host, disk, { firmware, sectorSize: sample.sectorSize }));
    const asExpected = (said && wordOf(said, "lab.image")) === sample.outcome[firmware];
    results.push({ sample: { ...sample, firmware }, said, asExpected });
  }
  return results;
}

const wordOf = (said: string, name: string): string | undefined => new RegExp(` ${name}=(\\S+)`).exec(said)?.[1];

/** Where {@link runMatrix} leaves the disk of a machine that has booted once. */
const settledDisk = ({ folder }: Matrix): string => join(folder, "settled.raw");

/** One is judged while another one is recorded. */
const AT_ONCE = 2;
let boots = 0;

/** A machine takes its turn with those of all other tests. */
export const inTurn: Turns = async (body) => {
  await using _ = await takeCore();
  return await body();
};

async function bootSample({ host, folder, turns }: Matrix, { blocks, ...sample }: BootSample): Promise<BootResult> {
  const disk = join(folder, `boot-${boots++}.raw`);
  await writeSparse(disk, sample.size, blocks);
  const said = await turns(async () => await bootOnce(host, disk));
  const word = (name: string): string | undefined => (said === undefined ? undefined : wordOf(said, name));
  const file = sample.boots && IMAGE_FILES[sample.boots];
  return { sample, said, asExpected: word("petrify.file") === file && word("lab.image") === sample.image };
}

type Line = Pick<OverwriteResult, "name" | "on" | "steps" | "failures" | "seconds">;
const lineOf = ({ name, on, steps, failures, seconds }: Line): string => {
  const sum = (of: "epochs" | "raw" | "distinct" | "judged"): number => steps.reduce((total, step) => total + step[of], 0);
  const counts = `${sum("epochs")} epochs, ${sum("raw")} states, ${sum("distinct")} different, ${sum("judged")} judged`;
  return `${name} (${on}): ${counts}, ${failures.length} failures; ${seconds.record.toFixed(0)} + ${seconds.replay.toFixed(0)} s`;
};

async function inTurns<T>(atOnce: number, all: readonly T[], body: (one: T) => Promise<void>): Promise<void> {
  const waiting = [...all];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await body(next);
    }),
  );
}

/** A scenario's cut with the disk that it starts from. */
export const cutOf = (matrix: Matrix, name: string, more: Omit<Cut, "scenario" | "disk">): Cut => {
  const scenario = SCENARIOS.find((one) => one.name === name)!;
  return { ...more, scenario, disk: scenario.disk === "factory" ? matrix.parts.disk : settledDisk(matrix) };
};
