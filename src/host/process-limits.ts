import { readFile } from "node:fs/promises";

/** Hard limits of this process, which its children cannot raise; `Infinity` for none. */
export interface ProcessLimits {
  readonly files: number;
  readonly processes: number;
}

export const processLimits = async (): Promise<ProcessLimits> => parseLimits(await readFile("/proc/self/limits", "utf8"));

/** Source: proc_pid_limits(5): columns are name, soft limit, hard limit, unit. */
export function parseLimits(text: string): ProcessLimits {
  const hard = (name: string): number => {
    const value = new RegExp(`^${name} +\\S+ +(\\S+)`, "m").exec(text)?.[1];
    return value === undefined || value === "unlimited" ? Infinity : Number(value);
  };
  return { files: hard("Max open files"), processes: hard("Max processes") };
}
