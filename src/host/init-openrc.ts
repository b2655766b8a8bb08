import { parseRcStatus } from "../layout/rc-status.ts";
import type { BootProgress, InitSystem, UnitState } from "./init-system.ts";
import type { Run } from "./run.ts";

/** Exit status of `rc-service NAME status`. Source: OpenRC's openrc-run.sh and supervise-daemon.sh. */
const STATES: Readonly<Record<number, string>> = {
  0: "started",
  3: "stopped",
  4: "stopping",
  8: "starting",
  16: "inactive",
  32: "crashed",
  64: "unsupervised",
};
/** Runlevels that are passed through before the one that a boot ends in, and those that a shutdown goes through. */
const ON_THE_WAY = ["sysinit", "boot"] as const;
const GOING_DOWN = ["shutdown", "single"] as const;
const STARTING = "/run/openrc/rc.starting";
const STOPPING = "/run/openrc/rc.stopping";
/** There when PID 1 is openrc-init(8). */
const INIT_FIFO = "/run/openrc/init.ctl";

/** Asks OpenRC through rc-status(8) and rc-service(8). @param exists whether there is such a file or folder */
export function openrc(run: Run, exists: (path: string) => Promise<boolean>): InitSystem {
  const runlevel = async (signal: AbortSignal | undefined): Promise<string> =>
    (await run(["rc-status", "--runlevel"], { signal })).stdout.trim();
  const isMoving = async (): Promise<boolean> => (await exists(STARTING)) || (await exists(STOPPING));

  const unit = async (name: string, signal?: AbortSignal): Promise<UnitState> => {
    const service = serviceName(name);
    // A script that is not there has the exit status 1, which a script's own status may have as well.
    const { exitCode: missing } = await run(["rc-service", "--exists", service], { okExit: ANY, signal });
    if (missing !== 0) return { active: false, state: "not found" };
    const { exitCode } = await run(["rc-service", service, "status"], { okExit: ANY, signal });
    return { active: exitCode === 0, state: STATES[exitCode] ?? `status ${exitCode}` };
  };

  /** State of each service of the runlevels that have been started. */
  const services = async (signal: AbortSignal | undefined): Promise<Map<string, string>> => {
    const levels = new Set([...ON_THE_WAY, await runlevel(signal)]);
    const { stdout } = await run(["rc-status", "--nocolor", "--format", "ini", ...levels], { signal });
    return new Map(parseRcStatus(stdout).map(({ name, state }) => [name, state]));
  };

  const failed = async (signal?: AbortSignal): Promise<readonly string[]> => {
    // Once a runlevel is reached OpenRC forgets which services of it failed: they are stopped, although they should run.
    const bad = new Set(["failed", "crashed", "unsupervised", ...((await isMoving()) ? [] : ["stopped"])]);
    const states = await services(signal);
    // Exit status 1: there are none. They need not be of a runlevel.
    const { stdout } = await run(["rc-status", "--crashed"], { okExit: [0, 1], signal });
    const crashed = stdout.split("\n").filter(Boolean);
    return [...new Set([...[...states].flatMap(([name, state]) => (bad.has(state) ? [name] : [])), ...crashed])].toSorted();
  };

  const booted = async (signal?: AbortSignal): Promise<BootProgress> => {
    const level = await runlevel(signal);
    const isOther = [...ON_THE_WAY, ...GOING_DOWN].some((other) => other === level);
    // The runlevel has its name from before its first service is started.
    if (!isOther && !(await isMoving())) return { done: true, waitingFor: "" };
    const states = [...(await services(signal))];
    const starting = states.flatMap(([name, state]) => (state === "starting" ? [name] : []));
    return { done: false, waitingFor: starting.join(", ") || `the end of the runlevel ${level}` };
  };

  return {
    kind: "openrc",
    unit,
    act: async (name, action, signal) => void (await run(["rc-service", serviceName(name), action], { signal })),
    services: async (signal) => (await run(["rc-status", "--nocolor", "--all", "--format", "ini"], { signal })).stdout,
    failed,
    booted,
    restart: async () => {
      const argv = (await exists(INIT_FIFO)) ? (["openrc-shutdown", "--reboot", "now"] as const) : (["reboot"] as const);
      await run(argv);
    },
    powerOff: async () => {
      const argv = (await exists(INIT_FIFO)) ? (["openrc-shutdown", "--poweroff", "now"] as const) : (["poweroff"] as const);
      await run(argv);
    },
  };
}

/** Exit statuses are answers here. */
const ANY: readonly number[] = Array.from({ length: 256 }, (_, status) => status);

const serviceName = (unit: string): string => unit.replace(/\.service$/, "");
