import { join } from "node:path";
import { z } from "zod";
import { readText } from "../../host/files.ts";
import { wait } from "../../host/wait.ts";
import { cpuUse, parseCpuTimes } from "../../layout/proc-stat.ts";
import type { CpuResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { lookCall } from "./call.ts";

const MOST_SECONDS = 10;

export const cpu = lookCall({
  request: z.strictObject({
    watch: z
      .string()
      .regex(/^\d{1,2}(\.\d{1,9})?s$/, `a time of at most ${MOST_SECONDS} s`)
      .refine((text) => Number.parseFloat(text) <= MOST_SECONDS, `a time of at most ${MOST_SECONDS} s`)
      .default("1s"),
  }),
  answer: async ({ watch }, { root }, signal): Promise<CpuResponseJson> => {
    const look = async () => parseCpuTimes(await readText(join(root, "proc/stat")));
    const before = await look();
    await wait(Number.parseFloat(watch) * 1000, signal);
    // One that was switched on meanwhile was watched by nobody.
    const uses = (await look()).flatMap((after) => {
      const same = before.find(({ number }) => number === after.number);
      return same ? [cpuUse(same, after)] : [];
    });
    const all = uses.find(({ number }) => number === undefined);
    return {
      model: /^model name\s*: *(.*)$/m.exec(await readText(join(root, "proc/cpuinfo")))?.[1] ?? "",
      ...(all ? { all } : {}),
      each: uses.filter(({ number }) => number !== undefined),
    };
  },
});
