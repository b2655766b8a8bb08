/** @portable What the kernel says of a machine's load, as figures. Pure. Source: proc(5) */

/** Bytes, by the kernel's names: `MemTotal`, `MemAvailable`. Lines that are none of that kind are passed over. */
export function parseMeminfo(text: string): Readonly<Record<string, number>> {
  const found = text.matchAll(/^([A-Za-z0-9_()]+): +(\d{1,15}) kB$/gm);
  return Object.fromEntries(Array.from(found, ([, name, kilobytes]) => [name!, Number(kilobytes) * 1024]));
}

/** Processes that ran or waited for the disk, on average of the last 1, 5 and 15 minutes. Nothing for another text. */
export function parseLoadavg(text: string): readonly [one: number, five: number, fifteen: number] | undefined {
  const [, one, five, fifteen] = /^(\d+\.\d\d) (\d+\.\d\d) (\d+\.\d\d) /.exec(text) ?? [];
  return fifteen === undefined ? undefined : [Number(one), Number(five), Number(fifteen)];
}

/** What the processors do; the kernel's order. `guest` and `guest_nice` are part of `user` and `nice`. */
const MODES = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"] as const;
/** Of USER_HZ, which is the same on every architecture that matters. Source: time(7) */
const TICKS = 100;

/** Seconds since the start, of all processors together, by what they did. Of `/proc/stat`. */
export function parseCpuSeconds(text: string): Readonly<Record<string, number>> {
  const ticks = /^cpu +([\d ]+)$/m.exec(text)?.[1]?.split(" ") ?? [];
  return Object.fromEntries(MODES.flatMap((mode, index) => (ticks[index] ? [[mode, Number(ticks[index]) / TICKS]] : [])));
}
