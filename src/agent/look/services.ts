import { z } from "zod";
import { numberOf, parseShow } from "../../layout/systemctl-show.ts";
import type { ServiceJson, ServicesResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { bootTime } from "./boot-time.ts";
import { lookCall } from "./call.ts";
import { timestampJson, wholeJson } from "./json.ts";

const PROPERTIES =
  "Id,Description,LoadState,ActiveState,SubState,Result,MainPID,StateChangeTimestampMonotonic,MemoryCurrent,NRestarts,UnitFileState";
const TIMEOUT_MS = 15_000;

export const services = lookCall({
  request: z.strictObject({}),
  answer: async (_request, ports, signal): Promise<ServicesResponseJson> => {
    const argv = ["systemctl", "show", "--no-pager", "--all", "--type=service", `--property=${PROPERTIES}`, "--", "*"] as const;
    const { stdout } = await ports.run([...argv], { signal, timeoutMs: TIMEOUT_MS });
    return { services: servicesOf(stdout, await bootTime(ports)) };
  },
});

/** @param boot when the kernel started, in seconds since 1970 */
export const servicesOf = (shown: string, boot: number): ServiceJson[] =>
  parseShow(shown)
    .map((unit) => serviceOf(unit, boot))
    .toSorted((one, other) => (one.name! < other.name! ? -1 : 1));

function serviceOf(unit: ReadonlyMap<string, string>, boot: number): ServiceJson {
  const text = (name: string): string => unit.get(name) ?? "";
  const number = (name: string): number => numberOf(unit.get(name)) ?? 0;
  const memory = numberOf(unit.get("MemoryCurrent"));
  const microseconds = number("StateChangeTimestampMonotonic");
  return {
    ...{ name: text("Id"), description: text("Description"), load: text("LoadState"), active: text("ActiveState") },
    ...{ sub: text("SubState"), result: text("Result"), enabled: text("UnitFileState"), restarts: number("NRestarts") },
    ...(number("MainPID") > 0 ? { pid: number("MainPID") } : {}),
    ...(microseconds > 0 ? { since: timestampJson(boot + microseconds / 1e6) } : {}),
    ...(memory === undefined ? {} : { memory: wholeJson(memory) }),
  };
}
