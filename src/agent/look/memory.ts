import { join } from "node:path";
import { z } from "zod";
import { readText } from "../../host/files.ts";
import { parseMemInfo } from "../../layout/proc-meminfo.ts";
import type { MemoryResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { lookCall } from "./call.ts";
import { wholeJson } from "./json.ts";

/** Fields of the message by the kernel's names. */
const FIELDS: Readonly<Record<keyof MemoryResponseJson, string>> = {
  ...{ total: "MemTotal", free: "MemFree", available: "MemAvailable", buffers: "Buffers", cached: "Cached", shared: "Shmem" },
  ...{ reclaimable: "SReclaimable", unreclaimable: "SUnreclaim", dirty: "Dirty", swapTotal: "SwapTotal", swapFree: "SwapFree" },
};

export const memory = lookCall({
  request: z.strictObject({}),
  answer: async (_request, { root }) => {
    const found = parseMemInfo(await readText(join(root, "proc/meminfo")));
    const fields = Object.entries(FIELDS).map(([field, name]) => [field, wholeJson(found.get(name) ?? 0)]);
    return Object.fromEntries(fields) as MemoryResponseJson;
  },
});
