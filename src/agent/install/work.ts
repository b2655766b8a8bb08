/** Installations as the agent sees them: work of a process of its own, install-main.ts. docs/concepts/install.md */
import type { Run } from "../../host/run.ts";
import type { InstallDisk, Installed, InstallNews, InstallPlan, InstallRequest } from "../../layout/install.ts";
import { work } from "../worker.ts";

/** What install-main.ts is told. */
export type InstallWork =
  | { readonly do: "disks" }
  | { readonly do: "plan"; readonly request: Pick<InstallRequest, "device" | "wipe"> }
  | { readonly do: "install"; readonly request: InstallRequest };
/** What it says, a line each. */
export type InstallLine = InstallNews | { readonly disks: readonly InstallDisk[] };

/** Part of the agent's ports. */
export interface InstallPorts {
  readonly disks: (signal: AbortSignal) => Promise<readonly InstallDisk[]>;
  readonly plan: (request: Pick<InstallRequest, "device" | "wipe">, signal: AbortSignal) => Promise<InstallPlan>;
  /** @param tell plan and progress; an abort ends it, except while the tables are written */
  readonly install: (request: InstallRequest, tell: (news: InstallNews) => void, signal: AbortSignal) => Promise<Installed>;
}

export interface InstallEdge {
  readonly run: Run;
  /** argv of install-main.ts. */
  readonly program: readonly [string, ...string[]];
}

export function installWork(edge: InstallEdge): InstallPorts {
  const ask = async (request: InstallWork, signal: AbortSignal, tell: (line: InstallLine) => void = () => {}) => {
    const last = await work<InstallLine>(edge, request, tell, signal);
    if (!last) throw new Error("the program that installs has said nothing");
    return last;
  };
  return {
    disks: async (signal) => {
      const last = await ask({ do: "disks" }, signal);
      if (!("disks" in last)) throw new Error("the program that installs has no disks");
      return last.disks;
    },
    plan: async (request, signal) => {
      const last = await ask({ do: "plan", request }, signal);
      if (!("plan" in last)) throw new Error("the program that installs has no plan");
      return last.plan;
    },
    install: async (request, tell, signal) => {
      const last = await ask({ do: "install", request }, signal, (line) => {
        if (!("disks" in line) && !("installed" in line)) tell(line);
      });
      if (!("installed" in last)) throw new Error("the program that installs did not come to its end");
      return last.installed;
    },
  };
}
