/** Work on many things, a few at a time. */

/**
 * Begins in order. After a failure nothing more is begun, and what has begun is told to stop.
 *
 * @param work is to end soon once its signal is aborted
 * @throws what failed first; the signal's reason
 */
export async function forEachAtOnce<T>(
  items: Iterable<T>,
  most: number,
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const own = new AbortController();
  const both = signal ? AbortSignal.any([signal, own.signal]) : own.signal;
  const failures: unknown[] = [];
  const left = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    try {
      for (let next = left.next(); !next.done; next = left.next()) {
        both.throwIfAborted();
        await work(next.value, both);
      }
    } catch (error) {
      failures.push(error);
      own.abort(error);
    }
  };
  await Promise.all(Array.from({ length: most }, worker));
  signal?.throwIfAborted();
  if (failures.length > 0) throw failures[0];
}

/** Lets so many in at once; the others wait for their turn. */
export function turnstile(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = most;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
