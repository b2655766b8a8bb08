/** One side of the build comparison. Times are seconds of wall clock for the whole command. */
export interface Builder {
  readonly title: string;
  /** Builds once, online, with every cache turned on: tools, packages, and what a rebuild will find. Not measured. */
  prepare(): Promise<void>;
  /** Builds offline with nothing at hand but tools and downloaded packages. */
  cold(): Promise<BuildTime>;
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
