import type { InitSystem } from "../../host/init-system.ts";
import type { HttpProbe, TcpProbe } from "../../host/probe.ts";
import type { Run } from "../../host/run.ts";
import type { DataPartition } from "../../layout/fstab.ts";
import { CHECK_TIMEOUT, type BUILT_IN_CHECKS, type CheckSpec, type HealthPlan } from "../../layout/health-plan.ts";
import type { Check, CheckOutcome } from "./check.ts";
import { checkCommand } from "./command.ts";
import { checkFailedUnits } from "./failed-units.ts";
import { checkHttp } from "./http.ts";
import { checkMounts } from "./mounts.ts";
import { checkTarget } from "./target.ts";
import { checkTcp } from "./tcp.ts";
import { checkUnit } from "./unit.ts";

/** What the checks ask. */
export interface HealthPorts {
  readonly init: InitSystem;
  readonly run: Run;
  readonly httpProbe: HttpProbe;
  readonly tcpProbe: TcpProbe;
  /** Reads a file of the running system. */
  readonly readText: (path: string) => Promise<string>;
  /** Data partitions that this boot does without, as known now. */
  readonly degraded: () => ReadonlySet<DataPartition>;
  /** Units that had failed on the last proven boot. */
  readonly baseline: () => readonly string[];
}

/** The checks of every image, then those of its plan. Those of an unknown kind are left out: the plan's notes name them. */
export function checksOf(plan: HealthPlan, ports: HealthPorts): Check[] {
  const { init, readText, degraded, baseline } = ports;
  const fstab = async (): Promise<string> => await readText("/etc/fstab");
  const mounts = async (): Promise<CheckOutcome> =>
    checkMounts({ fstab: await fstab(), mountinfo: await readText("/proc/self/mountinfo"), degraded: degraded() });
  const failedUnits = async (signal: AbortSignal): Promise<CheckOutcome> =>
    await checkFailedUnits(init, { baseline: baseline(), fstab: await fstab(), degraded: degraded() }, signal);
  return [
    builtIn("boot", async (signal) => await checkTarget(init, signal)),
    builtIn("mounts", mounts),
    ...(plan.failedUnits ? [builtIn("failed-units", failedUnits)] : []),
    ...plan.checks.flatMap((spec) => declared(spec, ports) ?? []),
  ];
}

const builtIn = (name: (typeof BUILT_IN_CHECKS)[number], run: Check["run"]): Check => ({
  ...{ name, timeoutMs: CHECK_TIMEOUT.default * 1000, run },
});

function declared(spec: CheckSpec, { init, run, httpProbe, tcpProbe }: HealthPorts): Check | undefined {
  const as = (ask: Check["run"]): Check => ({ name: spec.name, timeoutMs: spec.timeoutSeconds * 1000, run: ask });
  switch (spec.kind) {
    case "unit":
      return as(async (signal) => await checkUnit(init, spec.unit, signal));
    case "http":
      return as(async (signal) => await checkHttp(httpProbe, spec.url, spec.status, signal));
    case "tcp":
      return as(async (signal) => await checkTcp(tcpProbe, spec.host, spec.port, signal));
    case "command":
      return as(async (signal) => await checkCommand(run, spec.argv, signal));
    case "unknown":
      return undefined;
  }
}
