/** @portable How long work tells what it is doing; the CLI decides how that looks. */
export interface Progress {
  /** Runs one named step; its end, its time and its failure are reported. Steps do not nest. */
  step<T>(title: string, body: (note: (text: string) => void) => Promise<T>): Promise<T>;
  /** A fact worth a line of its own. */
  note(text: string): void;
}

/** For tests and for callers that do not show progress. */
export const silent: Progress = { step: async (_title, body) => await body(() => {}), note: () => {} };
