/** @portable How much work there is, and how long it waits: `/proc/loadavg`, `/proc/pressure/*`. Source: proc_loadavg(5); kernel docs, accounting/psi */

export interface LoadAverage {
  /** Of the last minute, the last five, the last fifteen. */
  readonly averages: readonly [number, number, number];
  /** Tasks that run or could run, now, and all that there are. */
  readonly running: number;
  readonly tasks: number;
}

/** @returns nothing for anything else. Never throws. */
export function parseLoadAverage(text: string): LoadAverage | undefined {
  const [, one, five, fifteen, running, tasks] =
    /^(\d{1,9}\.\d\d) (\d{1,9}\.\d\d) (\d{1,9}\.\d\d) (\d{1,9})\/(\d{1,9}) \d+\n?$/.exec(text) ?? [];
  if (tasks === undefined) return undefined;
  return { averages: [Number(one), Number(five), Number(fifteen)], running: Number(running), tasks: Number(tasks) };
}

/** Percent of the time in the last 10, 60 and 300 seconds. */
export type Averages = readonly [number, number, number];
export interface PressureStall {
  /** At least one task has waited. */
  readonly some: Averages;
  /** All of them at the same time; of processors, older kernels do not count it. */
  readonly full: Averages;
}

/** @returns nothing where the kernel does not say. Never throws. */
export function parsePressure(text: string): PressureStall | undefined {
  const of = (name: string): Averages | undefined => {
    const pattern = new RegExp(`^${name} avg10=(\\d{1,3}\\.\\d\\d) avg60=(\\d{1,3}\\.\\d\\d) avg300=(\\d{1,3}\\.\\d\\d) `, "m");
    const [, ten, sixty, more] = pattern.exec(text) ?? [];
    return more === undefined ? undefined : [Number(ten), Number(sixty), Number(more)];
  };
  const some = of("some");
  return some && { some, full: of("full") ?? [0, 0, 0] };
}
