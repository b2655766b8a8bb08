/** One question to the running system. Plug-ins: one file each beside this one; which are asked: registry.ts. */
export interface Check {
  /** Unique among the checks of an image; what reports and alarms call it. */
  readonly name: string;
  readonly timeoutMs: number;
  /**
   * Asks. A rejection is a failed check as well, whose reason is the error's message.
   *
   * @param signal aborted when the time is up, or when nobody wants to know any more
   */
  run(signal: AbortSignal): Promise<CheckOutcome>;
}

/** @property reason the end of a sentence that starts with the check's name, in one line */
export type CheckOutcome = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** What each check said, in the order of the checks. */
export interface CheckReport {
  /** When the last check had ended, on the clock that was given, in milliseconds. */
  readonly at: number;
  readonly results: readonly CheckResult[];
  /** Every check passed. */
  readonly ok: boolean;
}
export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** Why it is not ok. */
  readonly reason?: string;
  /** How long it took. */
  readonly ms: number;
}

export const PASSED: CheckOutcome = { ok: true };
export const failed = (reason: string): CheckOutcome => ({ ok: false, reason });

const MAX_REASON = 500;

/**
 * Runs all checks at once. A check that does not end in time has failed, even if it does not listen to its signal.
 *
 * @param now clock in milliseconds, for the report
 * @throws the signal's reason when it is aborted: what was found until then is no report
 */
export async function runChecks(checks: readonly Check[], signal: AbortSignal, now: () => number): Promise<CheckReport> {
  signal.throwIfAborted();
  const results = await Promise.all(checks.map(async (check) => await runCheck(check, signal, now)));
  signal.throwIfAborted();
  return { at: now(), results, ok: results.every(({ ok }) => ok) };
}

async function runCheck(check: Check, outer: AbortSignal, now: () => number): Promise<CheckResult> {
  const { name, timeoutMs } = check;
  const start = now();
  const limit = new AbortController();
  const late = failed(`did not end within ${timeoutMs / 1000} s`);
  const timer = setTimeout(() => limit.abort(new Error("the check's time is up")), timeoutMs);
  const signal = AbortSignal.any([outer, limit.signal]);
  const { promise: ended, resolve } = Promise.withResolvers<CheckOutcome>();
  signal.addEventListener("abort", () => resolve(late), { once: true });
  const asked = async (): Promise<CheckOutcome> => {
    try {
      return await check.run(signal);
    } catch (error) {
      return signal.aborted ? late : failed(error instanceof Error ? error.message : String(error));
    }
  };
  try {
    const outcome = await Promise.race([asked(), ended]);
    return { name, ok: outcome.ok, ...(outcome.ok ? {} : { reason: oneLine(outcome.reason) }), ms: now() - start };
  } finally {
    clearTimeout(timer);
  }
}

function oneLine(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, " ");
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON)}…` : line || "failed without a reason";
}
