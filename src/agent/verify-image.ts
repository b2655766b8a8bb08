/** Verifies images of the machine's disk, by verify-main.ts. */
import { join } from "node:path";
import { IMAGE_FILES } from "../layout/disk.ts";
import { IMAGES_FOLDER, RUN_FOLDER } from "../layout/fstab.ts";
import type { RunFacts } from "../layout/run-facts.ts";
import { AppError } from "../core/error.ts";
import { mountReadOnly } from "../host/linux.ts";
import type { Run } from "../host/run.ts";
import type { VerificationProgress, VerificationResult } from "./ports.ts";
import type { Verifiable, Verification } from "./verification.ts";

/** What verify-main.ts is told. */
export interface VerifyRequest {
  readonly path: string;
  readonly digest?: string;
  readonly from: number;
  readonly priority: Verification["priority"];
}
/** What it says, a line each. */
export type VerifyLine =
  | { readonly done: number; readonly total: number; readonly position: number }
  | { readonly whole: true }
  | { readonly whole: false; readonly damage: string };

export interface VerifyMeans {
  readonly run: Run;
  /** argv of verify-main.ts. */
  readonly program: readonly [string, ...string[]];
  /** Of the recovery images, the file that is current. */
  readonly recovery: 1 | 2;
}

/** @throws AppError `IMAGE_NOT_VERIFIED` when it could not be looked at: nothing is known then */
export async function verifyOnDisk(
  what: Verification,
  facts: RunFacts,
  { run, program, recovery }: VerifyMeans,
  progress: (progress: VerificationProgress) => void,
  signal: AbortSignal,
): Promise<VerificationResult> {
  const { image, digest, from, priority } = what;
  await using folder = await imagesFolder(image, facts);
  const path = join(folder.path, IMAGE_FILES[image === "recovery" ? (`recovery${recovery}` as const) : image]);
  const request: VerifyRequest = { path, from, priority, ...(digest === undefined ? {} : { digest }) };
  let verdict: VerificationResult | undefined;
  await run([...program, JSON.stringify(request)], {
    signal,
    onLine: (text) => {
      const line = parseLine(text);
      if (!line) return;
      if ("whole" in line) verdict = line.whole ? {} : { damage: line.damage };
      else progress({ blocks: line.position, done: line.done, total: line.total });
    },
  });
  if (verdict) return verdict;
  throw new AppError("IMAGE_NOT_VERIFIED", `the image at ${path} could not be verified`);
}

/** The partition that the running image is in is mounted already; another one is, read-only, for as long as it takes. */
async function imagesFolder(
  image: Verifiable,
  { slot, partitions }: RunFacts,
): Promise<{ readonly path: string } & AsyncDisposable> {
  const partition = image === "recovery" ? "recovery" : "state";
  const mounted = slot === "recovery" ? "recovery" : "state";
  if (partition === mounted) return { path: IMAGES_FOLDER, [Symbol.asyncDispose]: async () => {} };
  const device = partitions[partition]?.device;
  if (device === undefined) throw new AppError("IMAGE_NOT_VERIFIED", `the disk has no ${partition} partition`);
  return await mountReadOnly(device, `${RUN_FOLDER}/verify-${partition}`);
}

/** The program's error output comes on the same way. */
function parseLine(text: string): VerifyLine | undefined {
  try {
    return JSON.parse(text) as VerifyLine;
  } catch {
    return undefined;
  }
}
