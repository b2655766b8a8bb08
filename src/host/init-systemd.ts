import type { BootProgress, InitSystem, UnitState } from "./init-system.ts";
import type { Run } from "./run.ts";

/** Active states in which a unit does its work. Source: systemctl(1), is-active. */
const WORKING = new Set(["active", "reloading", "refreshing"]);
const PLAIN = ["--plain", "--no-legend", "--full", "--no-pager"] as const;
const SHOWN = 3;
/** Source: org.freedesktop.systemd1(5) */
const SERVICE_PROPERTIES =
  "Id,Description,LoadState,ActiveState,SubState,Result,MainPID,StateChangeTimestampMonotonic,MemoryCurrent,NRestarts,UnitFileState";

/** Asks systemd through systemctl(1), in the forms that are made for programs. */
export function systemd(run: Run): InitSystem {
  const show = async (name: string, signal: AbortSignal | undefined): Promise<ReadonlyMap<string, string>> => {
    const properties = "--property=Id,LoadState,ActiveState,SubState,Result";
    const { stdout } = await run(["systemctl", "show", properties, "--no-pager", "--", name], { signal });
    return new Map(stdout.split("\n").map((line) => [line.split("=")[0]!, line.slice(line.indexOf("=") + 1)]));
  };
  const list = async (argv: readonly string[], signal: AbortSignal | undefined): Promise<string[][]> => {
    const { stdout } = await run(["systemctl", ...PLAIN, ...argv], { signal });
    return stdout.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim().split(/\s+/)]));
  };

  const unit = async (name: string, signal?: AbortSignal): Promise<UnitState> => {
    const found = await show(name, signal);
    const active = found.get("ActiveState") ?? "";
    if (WORKING.has(active)) return { active: true, state: found.get("SubState") || active };
    const load = found.get("LoadState");
    if (load !== undefined && load !== "loaded") return { active: false, state: load.replace("-", " ") };
    const result = found.get("Result") || "success";
    return { active: false, state: `${active || "in no state"}${result === "success" ? "" : ` (${result})`}` };
  };

  const booted = async (signal?: AbortSignal): Promise<BootProgress> => {
    const target = await show("default.target", signal);
    const state = target.get("ActiveState") ?? "";
    if (state === "active") return { done: true, waitingFor: "" };
    // JOB UNIT TYPE STATE; those that run keep the others waiting.
    const jobs = await list(["list-jobs"], signal);
    const running = jobs.filter((job) => job[3] === "running").map((job) => job[1]!);
    const waiting = jobs.map((job) => job[1]!);
    const name = target.get("Id") || "default.target";
    const names = running.length > 0 ? running : waiting;
    if (names.length === 0) return { done: false, waitingFor: `nothing, but ${name} is ${state || "in no state"}` };
    const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
    return { done: false, waitingFor: `${names.slice(0, SHOWN).join(", ")}${more}` };
  };

  return {
    kind: "systemd",
    unit,
    act: async (name, action, signal) => void (await run(["systemctl", action, "--no-ask-password", "--", name], { signal })),
    booted,
    services: async (signal) => {
      const all = ["--all", "--type=service", `--property=${SERVICE_PROPERTIES}`, "--", "*"];
      return (await run(["systemctl", "show", "--no-pager", ...all], { signal })).stdout;
    },
    failed: async (signal) => {
      const units = await list(["list-units", "--state=failed"], signal);
      return units.map(([name]) => name!).toSorted();
    },
    restart: async (reason) => void (await run(["systemctl", "reboot", "--no-wall", `--message=${oneLine(reason)}`])),
    powerOff: async (reason) => void (await run(["systemctl", "poweroff", "--no-wall", `--message=${oneLine(reason)}`])),
  };
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").slice(0, 500);
