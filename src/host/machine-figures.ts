import type { Bytes } from "../core/units.ts";
import { parseLoadAverage } from "../layout/proc-load.ts";
import { parseMemInfo } from "../layout/proc-meminfo.ts";
import { parseCpuSeconds } from "../layout/proc-stat.ts";
import { mountedAt, type FileSystemRoom } from "./file-system.ts";
import { readText } from "./files.ts";

/** How busy a machine is, and what room it has; without what cannot be read. */
export interface MachineFigures {
  /** Of the last 1, 5 and 15 minutes. */
  readonly load: readonly [number, number, number] | undefined;
  /** By the kernel's names, as `MemTotal`. */
  readonly memory: Readonly<Record<string, Bytes>>;
  /** Seconds of all processors together, by what they did. */
  readonly cpu: Readonly<Record<string, number>>;
  /** By the folder that each is mounted at. */
  readonly room: Readonly<Record<string, FileSystemRoom>>;
}

/** @param folders where file systems of that type are mounted, if they are */
export async function machineFigures(folders: readonly string[], type: string): Promise<MachineFigures> {
  const proc = async (name: string): Promise<string> => await readText(`/proc/${name}`).catch(() => "");
  const room = await Promise.all(
    folders.map(async (folder) => [folder, await mountedAt(folder, type).catch(() => undefined)] as const),
  );
  return {
    load: parseLoadAverage(await proc("loadavg"))?.averages,
    memory: Object.fromEntries(parseMemInfo(await proc("meminfo"))),
    cpu: parseCpuSeconds(await proc("stat")),
    room: Object.fromEntries(room.flatMap(([folder, found]) => (found ? [[folder, found]] : []))),
  };
}
