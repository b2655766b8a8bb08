import { join } from "node:path";
import { z } from "zod";
import { folderNames, readText } from "../../host/files.ts";
import { parseCounters, sumOfIo } from "../../layout/cgroup-files.ts";
import type { CgroupJson, CgroupsResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { lookCall } from "./call.ts";
import { durationJson, wholeJson } from "./json.ts";

/** A machine with that many has them below one that is shown. */
const MOST = 2000;
const DEEPEST = 8;

export const cgroups = lookCall({
  request: z.strictObject({ depth: z.int().min(0).max(DEEPEST).default(0) }),
  answer: async ({ depth }, { root }, signal): Promise<CgroupsResponseJson> => ({
    cgroups: await cgroupsBelow(root, depth || DEFAULT_DEPTH, signal),
  }),
});

/** Each after the one that it is in. */
export async function cgroupsBelow(root: string, depth: number, signal: AbortSignal): Promise<CgroupJson[]> {
  const top = join(root, "sys/fs/cgroup");
  const found: CgroupJson[] = [];
  const walk = async (path: string, left: number): Promise<void> => {
    for (const name of left > 0 ? await folderNames(join(top, path)) : []) {
      signal.throwIfAborted();
      if (found.length >= MOST) return;
      const below = `${path}/${name}`;
      found.push(await cgroupOf(join(top, below), below));
      await walk(below, left - 1);
    }
  };
  await walk("", depth);
  return found;
}

/** Slices, and what is in them. */
const DEFAULT_DEPTH = 2;

/** Controllers that are not switched on say nothing. */
async function cgroupOf(folder: string, path: string): Promise<CgroupJson> {
  const read = async (name: string): Promise<string> => (await readText(join(folder, name)).catch(() => "")).trim();
  const number = async (name: string): Promise<number | undefined> => {
    const text = await read(name);
    return /^\d{1,20}$/.test(text) ? Number(text) : undefined;
  };
  const [memory, most, tasks] = [await number("memory.current"), await number("memory.max"), await number("pids.current")];
  const time = parseCounters(await read("cpu.stat")).get("usage_usec");
  const killed = parseCounters(await read("memory.events")).get("oom_kill");
  const io = sumOfIo(await read("io.stat"));
  return {
    path,
    ...(memory === undefined ? {} : { memory: wholeJson(memory) }),
    ...(most === undefined ? {} : { memoryMax: wholeJson(most) }),
    ...(tasks === undefined ? {} : { tasks }),
    ...(time === undefined ? {} : { cpuTime: durationJson(time / 1e6) }),
    ...(killed === undefined ? {} : { oomKills: wholeJson(killed) }),
    ...(io ? { readBytes: wholeJson(io.read), writtenBytes: wholeJson(io.written) } : {}),
  };
}
