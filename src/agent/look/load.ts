import { join } from "node:path";
import { z } from "zod";
import { readText } from "../../host/files.ts";
import { parseLoadAverage, parsePressure } from "../../layout/proc-load.ts";
import { parseCpuTimes } from "../../layout/proc-stat.ts";
import type { LoadResponseJson, PressureJson } from "../../protocol/petrify/v1/system_pb.ts";
import { lookCall } from "./call.ts";
import { durationJson } from "./json.ts";

export const load = lookCall({
  request: z.strictObject({}),
  answer: async (_request, { root }): Promise<LoadResponseJson> => {
    const read = async (name: string): Promise<string> => await readText(join(root, "proc", name));
    const average = parseLoadAverage(await read("loadavg"));
    if (!average) throw new Error("the kernel says nothing of its load that is understood");
    const [one, five, fifteen] = average.averages;
    const [cpu, memory, io] = await Promise.all(
      ["cpu", "memory", "io"].map(async (name) => pressureOf(await read(`pressure/${name}`).catch(() => ""))),
    );
    return {
      ...{ one, five, fifteen, running: average.running, tasks: average.tasks },
      processors: parseCpuTimes(await read("stat")).filter(({ number }) => number !== undefined).length,
      uptime: durationJson(Number((await read("uptime")).split(" ")[0])),
      ...(cpu ? { cpu } : {}),
      ...(memory ? { memory } : {}),
      ...(io ? { io } : {}),
    };
  },
});

function pressureOf(text: string): PressureJson | undefined {
  const found = parsePressure(text);
  if (!found) return undefined;
  const { some, full } = found;
  return {
    ...{ some10: some[0], some60: some[1], some300: some[2] },
    ...{ full10: full[0], full60: full[1], full300: full[2] },
  };
}
