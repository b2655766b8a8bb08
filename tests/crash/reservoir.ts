/** Keeps `size` of all that are offered, each with the same chance. */
export function reservoir<T>(
  size: number,
  random: () => number,
): { offer(): ((value: T) => void) | undefined; kept(): readonly T[] } {
  const places: (T | undefined)[] = [];
  let offered = 0;
  return {
    offer: () => {
      const place = offered < size ? offered : Math.floor(random() * (offered + 1));
      offered++;
      return place < size ? (value) => void (places[place] = value) : undefined;
    },
    kept: () => places.filter((value) => value !== undefined),
  };
}
