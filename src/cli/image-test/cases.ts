/** The cases of `petrify test`: which there are, what each needs, and what came of them. docs/concepts/test.md */
import { AppError } from "../../core/error.ts";
import type { Seconds } from "../../core/units.ts";

/** In the order in which they run, on one machine. */
export const CASES = ["boot", "upgrade", "rollback", "fallback"] as const;
export type CaseName = (typeof CASES)[number];

const NEEDS: Readonly<Record<CaseName, readonly CaseName[]>> = {
  boot: [],
  upgrade: ["boot"],
  rollback: ["boot", "upgrade"],
  fallback: ["boot"],
};

/** Output of the machine that failed a case. */
export interface Evidence {
  /** The last lines of the serial console. */
  readonly console: string;
  /** Of the boot that failed, as the agent found it afterwards. */
  readonly log?: { readonly source: string; readonly text: string };
}
export type CaseResult = { readonly name: CaseName; readonly seconds: Seconds } & (
  | { readonly outcome: "passed"; /** One sentence. */ readonly says: string }
  | ({ readonly outcome: "failed"; readonly code: string; /** One sentence. */ readonly reason: string } & Evidence)
  /** Not run. */
  | { readonly outcome: "skipped"; readonly reason: string }
);

/** The chosen cases with those that have to come before them, in order; without a choice all. */
export function planCases(chosen: readonly CaseName[]): readonly CaseName[] {
  const wanted = new Set(chosen.length === 0 ? CASES : chosen.flatMap((name) => [...NEEDS[name], name]));
  return CASES.filter((name) => wanted.has(name));
}

export interface CasePorts {
  /** Runs one. @returns what it has shown, as a sentence @throws AppError why it failed */
  readonly run: (name: CaseName) => Promise<string>;
  /** What the machine that failed has to say. */
  readonly evidence: (error: AppError) => Promise<Evidence>;
  /** Milliseconds. */
  readonly clock: () => number;
  readonly signal: AbortSignal;
}

/**
 * Runs cases one after the other. After one that failed nobody knows what the machine is, so the others are left out.
 *
 * @throws the signal's reason; whatever is no AppError, for that is a fault of petrify
 */
export async function runCases(plan: readonly CaseName[], { run, evidence, clock, signal }: CasePorts): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const name of plan) {
    const failed = results.find(({ outcome }) => outcome === "failed");
    if (failed) {
      results.push({ name, seconds: 0, outcome: "skipped", reason: `${failed.name} has failed` });
      continue;
    }
    const since = clock();
    const seconds = (): Seconds => Math.round((clock() - since) / 100) / 10;
    try {
      const says = await run(name);
      results.push({ name, seconds: seconds(), outcome: "passed", says });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof AppError)) throw error;
      const { code, message } = error;
      results.push({ name, seconds: seconds(), outcome: "failed", code, reason: message, ...(await evidence(error)) });
      signal.throwIfAborted();
    }
  }
  return results;
}
