/** @portable How often somebody may try something: a bucket of tokens for each. The clock is passed in. */

export interface RateLimit {
  /**
   * Takes one of the tries that somebody has left.
   *
   * @param key who tries
   * @param now seconds, of a clock that never goes back for long
   * @returns false where none is left: it is not counted
   */
  readonly take: (key: string, now: number) => boolean;
}

/**
 * @param burst tries that one has at once
 * @param seconds until there is one more
 * @param keys that are remembered; who has not tried for the longest time is forgotten first, so that memory stays bounded
 */
export function rateLimit({
  burst,
  seconds,
  keys,
}: {
  readonly burst: number;
  readonly seconds: number;
  readonly keys: number;
}): RateLimit {
  /** In the order of their last try. */
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    take: (key, now) => {
      const { left, at } = buckets.get(key) ?? { left: burst, at: now };
      const has = Math.min(burst, left + Math.max(0, now - at) / seconds);
      buckets.delete(key);
      buckets.set(key, { left: has < 1 ? has : has - 1, at: now });
      if (buckets.size > keys) buckets.delete(buckets.keys().next().value!);
      return has >= 1;
    },
  };
}
