/** One side of the build comparison. Times are seconds of wall clock for the whole command. */
export interface Builder {
  readonly title: string;
  /** Fills what is warm for everybody: tools and downloaded packages. Not measured; the only part that uses the network. */
  prepare(): Promise<void>;
  /** Builds with nothing else at hand. */
  cold(): Promise<BuildTime>;
  /** Builds once with every cache turned on, so that rebuilds find them. Not measured. */
  warmUp(): Promise<void>;
  /** Builds again after one file has changed. */
  rebuild(content: string): Promise<BuildTime>;
  /** What the last build made. */
  readonly image: string;
}
export interface BuildTime {
  readonly seconds: number;
  /** Seconds of each step, where the builder tells. */
  readonly steps?: Readonly<Record<string, number>>;
}

/** Runs `body`. @returns how long it took, in seconds */
export async function timed(body: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await body();
  return (performance.now() - start) / 1000;
}
