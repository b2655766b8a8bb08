/** @portable When recovery looks for a way out: `/usr/lib/petrify/recovery.json`. docs/formats/recovery-plan.md */
import type { Seconds } from "../core/units.ts";

export const RECOVERY_PLAN_PATH = "/usr/lib/petrify/recovery.json";
const FORMAT = 1;

/** Of one time, in seconds, and of the list. */
export const RECOVERY_WAIT = { min: 5, max: 86_400 } as const;
export const MAX_RECOVERY_WAITS = 20;

export interface RecoveryPlan {
  /** How long recovery waits before each attempt; the last one repeats. Never empty. */
  readonly afterSeconds: readonly Seconds[];
}
export const DEFAULT_RECOVERY_PLAN: RecoveryPlan = { afterSeconds: [300, 1800, 6 * 3600] };

/** The file's text. */
export const encodeRecoveryPlan = ({ afterSeconds }: RecoveryPlan): string =>
  `${JSON.stringify({ format: FORMAT, afterSeconds })}\n`;

export interface FoundRecoveryPlan {
  readonly plan: RecoveryPlan;
  /** What could not be understood, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Reads the file. Never throws: recovery works with {@link DEFAULT_RECOVERY_PLAN} rather than not at all.
 *
 * @param text `undefined` when there is no such file, as in images from before there was one
 */
export function parseRecoveryPlan(text: string | undefined): FoundRecoveryPlan {
  if (text === undefined) return { plan: DEFAULT_RECOVERY_PLAN, notes: [] };
  const afterSeconds = waitsOf(text);
  if (afterSeconds) return { plan: { afterSeconds }, notes: [] };
  return {
    plan: DEFAULT_RECOVERY_PLAN,
    notes: [`${RECOVERY_PLAN_PATH} is not understood: recovery waits as long as by default`],
  };
}

function waitsOf(text: string): readonly Seconds[] | undefined {
  let value: { readonly format?: unknown; readonly afterSeconds?: unknown } | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    return undefined;
  }
  const waits = value?.format === FORMAT ? value.afterSeconds : undefined;
  if (!Array.isArray(waits) || waits.length === 0 || waits.length > MAX_RECOVERY_WAITS) return undefined;
  return waits.every(isWait) ? waits : undefined;
}

const isWait = (value: unknown): value is Seconds =>
  Number.isInteger(value) && Number(value) >= RECOVERY_WAIT.min && Number(value) <= RECOVERY_WAIT.max;
