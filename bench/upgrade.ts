/** One upgrade of a machine, and one plain restart of the same machine before it. */
import { join } from "node:path";
import type { OperationNews } from "../src/agent/operations/driver.ts";
import type { AgentStatus } from "../src/agent/status.ts";
import { AppError } from "../src/core/error.ts";
import type { Bytes } from "../src/core/units.ts";
import { makeFolder } from "../src/host/files.ts";
import { openImage } from "../src/host/image-file.ts";
import { wait } from "../src/host/wait.ts";
import { AGENT_PORT } from "../src/layout/agent-channel.ts";
import { agentOf, type VmAgent } from "../src/vm/agent-client.ts";
import { startVm, type Vm } from "../src/vm/vm.ts";
import type { BenchContext } from "./context.ts";

/** Times in seconds. */
export interface UpgradeFigures {
  /** From the request until the new image is healthy. */
  readonly whole: number;
  /** From the restart's beginning until then. */
  readonly down: number;
  /** The same of a plain restart. */
  readonly restart: number;
  /** Largest private memory of the agent and the processes that it started, during the upgrade. */
  readonly memory: Bytes;
  /** Bytes that reached the disk, from the request until the restart. */
  readonly written: Bytes;
  readonly image: Bytes;
}

const SAYS = "BENCH-UPGRADE-MEMORY";
/** Every few seconds, what the agent and its processes have for themselves. */
export const UPGRADE_UNITS = {
  "bench-upgrade.service": `[Unit]
Description=Says on the console how much memory the agent and its processes have
After=multi-user.target

[Service]
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh -c 'while sleep 3; do echo ${SAYS} $$(for p in $$(cat /sys/fs/cgroup/system.slice/petrifyd.service/cgroup.procs); do grep -h ^Private_Dirty /proc/$$p/smaps_rollup; done) end; done'

[Install]
WantedBy=multi-user.target
`,
} as const;

/** The new image's place, as the machine finds it. */
const SOURCE = { is: "file", path: "/dev/disk/by-id/virtio-petrify1" } as const;
const LIMIT_MS = 900_000;

export async function measureOneUpgrade(
  { disk, image }: { readonly disk: string; readonly image: string },
  { tools, caller, run, signal: stop, folder: top }: BenchContext,
): Promise<UpgradeFigures> {
  const signal = AbortSignal.any([AbortSignal.timeout(LIMIT_MS), ...(stop ? [stop] : [])]);
  const folder = join(top, "vm");
  await makeFolder(folder);
  await using vm = await startVm(
    { tools, caller, run, folder, signal },
    {
      disks: [
        { path: disk, format: "raw", writes: "discard" },
        { path: image, format: "raw", readOnly: true },
      ],
      ...{ accelerator: "tcg", firmware: "bios", ports: [AGENT_PORT] },
    },
  );
  const agent = agentOf(vm);
  await agent.booted(signal);
  await healthy(agent, signal);

  const restart = await timed(async () => {
    await Array.fromAsync(agent.ask("POST /restart", signal)).catch(expectGone);
    await agent.booted(signal);
    await healthy(agent, signal);
  });

  const before = await writtenBytes(vm);
  let written = 0;
  let down = 0;
  const from = vm.consoleText().length;
  const request = { source: SOURCE };
  const whole = await timed(async () => {
    for await (const value of agent.ask("POST /upgrade", signal, request)) {
      const news = value as OperationNews;
      if ("ended" in news) throw new AppError("UPGRADE_FAILED", news.ended.reason ?? news.ended.outcome);
      if ("restarting" in news) break;
    }
    written = (await writtenBytes(vm)) - before;
    down = await timed(async () => {
      await agent.booted(signal);
      const { running, state } = await healthy(agent, signal);
      if (running !== "b" || state !== "proven") throw new AppError("UPGRADE_FAILED", `slot ${running} runs, and is ${state}`);
    });
  });
  using file = openImage(image);
  return { whole, down, restart, written, memory: largestMemory(vm.consoleText().slice(from)), image: file.size };
}

/** @param text of the console @throws AppError `UPGRADE_UNCLEAR` when it never says it */
export function largestMemory(text: string): Bytes {
  const sums = [...text.matchAll(new RegExp(`${SAYS} (.*?) end`, "g"))].map(([, line]) =>
    [...line!.matchAll(/Private_Dirty: (\d+) kB/g)].reduce((sum, [, kib]) => sum + Number(kib) * 1024, 0),
  );
  if (sums.length === 0) throw new AppError("UPGRADE_UNCLEAR", "the console does not say how much memory the agent has");
  return Math.max(...sums);
}

const ASK_MS = 200;

/** Waits until the machine's checks have passed, and its slot is proven. */
async function healthy(agent: VmAgent, signal: AbortSignal): Promise<AgentStatus> {
  for (;;) {
    for await (const value of agent.ask("GET /status", signal)) {
      const status = value as AgentStatus;
      if (status.health.is === "healthy" && status.state === "proven") return status;
    }
    await wait(ASK_MS, signal);
  }
}

function expectGone(error: unknown): void {
  if (!(error instanceof AppError && error.code === "AGENT_GONE")) throw error;
}

async function writtenBytes({ qmp }: Vm): Promise<Bytes> {
  const stats = (await qmp.execute("query-blockstats")) as readonly {
    readonly "node-name"?: string;
    readonly stats: { readonly wr_bytes: Bytes };
  }[];
  return Math.max(...stats.map(({ stats: { wr_bytes } }) => wr_bytes));
}

async function timed(work: () => Promise<void>): Promise<number> {
  const since = performance.now();
  await work();
  return (performance.now() - since) / 1000;
}
