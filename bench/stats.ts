/** Figures of repeated measurements. Pure. */
import { AppError } from "../src/core/error.ts";

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new AppError("NOTHING_MEASURED", "there is no measurement to summarise");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** Ratios of runs that were made one after the other: what slows the machine down slows both, so pairs say more than medians. */
export function pairRatios(ours: readonly number[], theirs: readonly number[]): Spread {
  if (ours.length !== theirs.length)
    throw new AppError("RUNS_UNPAIRED", `${ours.length} runs cannot be paired with ${theirs.length}`);
  return spread(ours.map((value, index) => value / theirs[index]!));
}

/** The value that this share of them does not exceed. @param share 0 to 1 */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new AppError("NOTHING_MEASURED", "there is no measurement to summarise");
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}
