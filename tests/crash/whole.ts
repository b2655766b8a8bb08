/** The whole matrix, and its page: `npm run crash-matrix`, and a part of `npm run test:full`. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../src/host/run.ts";
import type { Failure } from "./matrix.ts";
import { detect, OMISSIONS } from "./detections.ts";
import { crashReport, failureText, type Detection } from "./report.ts";
import { detectOverwrite, openOverwrites, OVERWRITE_OMISSIONS } from "./overwrites.ts";
import { openMatrix, runMatrix, runOverwrites, type MatrixOptions, type MatrixResult } from "./run-matrix.ts";
import type { Turns } from "./views.ts";

const TOP = join(import.meta.dirname, "../..");
const PAGE = join(TOP, "docs/crash-matrix.md");

export interface WholeOptions extends Pick<MatrixOptions, "logs" | "statesAnEpoch" | "boots" | "seed" | "say"> {
  /** Of virtual machines. */
  readonly turns: Turns;
  /** Operations of a machine, and nothing else; default all that there is. */
  readonly only?: readonly string[] | undefined;
}
export interface WholeResult extends MatrixResult {
  readonly failures: readonly Failure[];
  /** What was left out, and nobody noticed. */
  readonly missed: readonly string[];
  readonly page: string;
}

/** Controllers whose flushes reach the server as the guest sends them. QEMU's NVMe (10.0) drops the FUA bit that Linux relies on there. */
const CONTROLLERS = ["virtio-blk", "virtio-scsi", "ahci"] as const;

/** Those through which the kernel zeroes without writing zeros; with both sizes of sectors. */
const DEVICES = [
  { over: "a disk of petrify's", controller: "virtio-blk" },
  { over: "a disk with a GPT", controller: "virtio-scsi" },
  { over: "a blank disk, 4096", controller: "virtio-scsi" },
] as const;

export async function wholeMatrix(options: WholeOptions): Promise<WholeResult> {
  const started = performance.now();
  await using matrix = await openMatrix(options.turns);
  const { only } = options;
  await using scope = new AsyncDisposableStack();
  const whole = only ? undefined : scope.use(await openOverwrites(matrix));
  const overwritten = whole
    ? await runOverwrites(matrix, whole, { ...options, devices: DEVICES, boots: 1 })
    : { overwrites: [], boots: [] };
  const scenarios = only ? { scenarios: only } : {};
  const machine = await runMatrix(matrix, { ...options, ...scenarios, controllers: CONTROLLERS, goOn: 1 });
  const result: MatrixResult = { ...machine, ...overwritten, boots: [...machine.boots, ...overwritten.boots] };
  const detections: Detection[] = [];
  const missed: string[] = [];
  const note = ({ found, ...detection }: Awaited<ReturnType<typeof detect>>): void => {
    options.say(`without ${detection.left}: ${detection.failures} states fail: ${detection.example}`);
    detections.push(detection);
    if (!found) missed.push(detection.left);
  };
  for (const omission of OMISSIONS.filter(({ scenario }) => !only || only.includes(scenario))) {
    note(await detect(matrix, omission, "virtio-blk"));
  }
  if (whole) for (const omission of OVERWRITE_OMISSIONS) note(await detectOverwrite(whole, omission, options.statesAnEpoch));
  const commit = (await run(["git", "-C", TOP, "rev-parse", "HEAD"])).stdout.trim();
  const minutes = (performance.now() - started) / 60_000;
  const page = crashReport(result, detections, { date: new Date(), commit, node: process.version, seed: options.seed, minutes });
  const failures = [...result.cuts, ...result.overwrites].flatMap((one) => one.failures);
  for (const failure of failures.slice(0, SHOWN)) options.say(failureText(failure));
  return { ...result, failures, missed, page };
}

const SHOWN = 20;

/** What {@link wholeMatrix} found wrong, as a number. */
export const wrongs = ({ failures, boots, missed }: WholeResult): number =>
  failures.length + boots.filter(({ asExpected }) => !asExpected).length + missed.length;

export const writePage = async ({ page }: WholeResult): Promise<void> => await writeFile(PAGE, page);
