/** Services of an init, in the contract's words. Pure: petrifyd answers with it over the network, petrify-look to root. */
import type { InitSystem } from "../../host/init-system.ts";
import { parseRcStatus } from "../../layout/rc-status.ts";
import { numberOf, parseShow } from "../../layout/systemctl-show.ts";
import type { ServiceJson } from "../../protocol/petrify/v1/system_pb.ts";
import { timestampJson, wholeJson } from "./json.ts";

/** @param listed by the init @param boot when the kernel started, in seconds since 1970 */
export const serviceList = (kind: InitSystem["kind"], listed: string, boot: number): ServiceJson[] =>
  kind === "openrc" ? rcServicesOf(listed) : servicesOf(listed, boot);

/** In the words that systemd has for the same. */
const RC_ACTIVE: Readonly<Record<string, string>> = {
  ...{ started: "active", stopped: "inactive", inactive: "inactive", starting: "activating", stopping: "deactivating" },
  ...{ crashed: "failed", failed: "failed", unsupervised: "failed" },
};

/** By name; one that is of several runlevels is there once. */
export function rcServicesOf(listed: string): ServiceJson[] {
  const found = new Map<string, ServiceJson>();
  for (const { name, state, runlevel } of parseRcStatus(listed)) {
    const enabled = found.get(name)?.enabled === "enabled" || !runlevel.startsWith("Dynamic ") ? "enabled" : "disabled";
    found.set(name, { name, load: "loaded", active: RC_ACTIVE[state] ?? "inactive", sub: state, enabled });
  }
  return [...found.values()].toSorted((one, other) => (one.name! < other.name! ? -1 : 1));
}

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
