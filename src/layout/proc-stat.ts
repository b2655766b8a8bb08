/** @portable What processors and processes do: `/proc/stat`, `/proc/PID/stat`. Source: proc_stat(5), proc_pid_stat(5) */

/** Ticks of a second in which the kernel counts for programs, on every architecture that petrify knows. Source: time(7), USER_HZ */
export const TICKS = 100;

/** Ticks since the kernel's start. */
export interface CpuTimes {
  /** Absent for all processors together. */
  readonly number?: number;
  readonly user: number;
  readonly system: number;
  readonly interrupts: number;
  readonly waiting: number;
  readonly idle: number;
  readonly stolen: number;
}

/** All processors together first, then each. Lines of another form are passed over. Never throws. */
export const parseCpuTimes = (text: string): CpuTimes[] =>
  [...text.matchAll(/^cpu(\d{0,5}) +((?:\d{1,15} ){7}\d{1,15})(?: \d+)*$/gm)].map(([, number, fields]) => {
    // Guests' time is in that of programs already.
    const [user, nice, system, idle, waiting, irq, soft, stolen] = fields!.split(" ").map(Number) as Eight;
    return {
      ...(number === "" ? {} : { number: Number(number) }),
      ...{ user: user + nice, system, interrupts: irq + soft, waiting, idle, stolen },
    };
  });

/** The kernel's order, and its names. `guest` and `guest_nice`, which follow, are part of `user` and `nice`. */
const MODES = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"] as const;

/** Seconds since the kernel's start, of all processors together, by what they did; an older kernel says less. Never throws. */
export function parseCpuSeconds(text: string): Readonly<Record<string, number>> {
  const ticks = /^cpu +([\d ]+)$/m.exec(text)?.[1]?.split(" ") ?? [];
  return Object.fromEntries(MODES.flatMap((mode, index) => (ticks[index] ? [[mode, Number(ticks[index]) / TICKS]] : [])));
}

type Eight = [number, number, number, number, number, number, number, number];
const PARTS = ["user", "system", "interrupts", "waiting", "idle", "stolen"] as const;

/** What a processor did between two looks, in percent; all idle where no time has passed. */
export function cpuUse(before: CpuTimes, after: CpuTimes): CpuTimes {
  // The kernel's count of idle time can go back a little.
  const ticks = PARTS.map((part) => Math.max(0, after[part] - before[part]));
  const sum = ticks.reduce((all, one) => all + one, 0);
  const percent = (index: number): number => (sum === 0 ? 0 : Math.round((ticks[index]! / sum) * 10_000) / 100);
  const { number } = after;
  return {
    ...(number === undefined ? {} : { number }),
    ...{ user: percent(0), system: percent(1), interrupts: percent(2), waiting: percent(3) },
    ...{ idle: sum === 0 ? 100 : percent(4), stolen: percent(5) },
  };
}

export interface ProcessStat {
  readonly pid: number;
  /** At most 15 bytes, any of them. */
  readonly name: string;
  /** R, S, D, T, Z … */
  readonly state: string;
  readonly parent: number;
  /** Of processors' time: in the program and in the kernel. */
  readonly ticks: number;
  readonly threads: number;
  /** Ticks since the kernel's start. */
  readonly start: number;
  /** In pages. */
  readonly resident: number;
  /** One of the kernel's own. */
  readonly ofKernel: boolean;
}

/** Source: linux/sched.h */
const PF_KTHREAD = 0x00_20_00_00;

/** @returns nothing for anything else. Never throws. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  // The name may have any character, brackets and blanks too; nothing after it has.
  const [, pid, name, state, rest] = /^(\d{1,10}) \(([^]{0,64})\) ([A-Za-z]) ((?:-?\d{1,20} ?)+)\n?$/.exec(text) ?? [];
  if (rest === undefined) return undefined;
  const fields = rest.trim().split(" ").map(Number);
  // The fourth field of the line is the first one here.
  const field = (number: number): number => fields[number - 4] ?? Number.NaN;
  const found: ProcessStat = {
    ...{ pid: Number(pid), name: name!, state: state!, parent: field(4) },
    ...{ ticks: field(14) + field(15), threads: field(20), start: field(22), resident: field(24) },
    ofKernel: (field(9) & PF_KTHREAD) !== 0,
  };
  const numbers = [found.parent, found.ticks, found.threads, found.start, found.resident];
  return numbers.every((number) => Number.isSafeInteger(number) && number >= 0) ? found : undefined;
}
