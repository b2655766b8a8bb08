/** A machine that has nothing but the install medium, and a config that says where to install. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { AgentStatus } from "../src/agent/status.ts";
import type { Bytes } from "../src/core/units.ts";
import { makeFolder, sparseFile } from "../src/host/files.ts";
import { openImage } from "../src/host/image-file.ts";
import { wait } from "../src/host/wait.ts";
import { AGENT_PORT } from "../src/layout/agent-channel.ts";
import { findOnMedium, readMediumDescription } from "../src/layout/medium.ts";
import { agentOf, type VmAgent } from "../src/vm/agent-client.ts";
import { disksWithMedium } from "../src/vm/medium-disks.ts";
import { startVm } from "../src/vm/vm.ts";
import type { BenchContext } from "./context.ts";

/** Goes onto the medium. */
export const INSTALL_CONFIG = "#cloud-config\ninstall: { device: auto }\n";

/** Times in seconds. */
export interface InstallFigures {
  /** From power on of the medium until the installed system is healthy. */
  readonly whole: number;
  /** Of that, until the agent of the system in memory answers. */
  readonly inMemory: number;
  /** From power on of the installed disk until it is healthy. */
  readonly boot: number;
}
export interface MediumSizes {
  readonly iso: Bytes;
  /** Of that, the compressed image. */
  readonly image: Bytes;
}

const LIMIT_MS = 1_800_000;
const ASK_MS = 200;

export async function measureOneInstall(iso: string, context: BenchContext): Promise<InstallFigures> {
  const signal = AbortSignal.any([AbortSignal.timeout(LIMIT_MS), context.signal]);
  const host = { ...context, folder: join(context.folder, "vm"), signal };
  await makeFolder(host.folder);
  const path = join(host.folder, "installed.raw");
  await rm(path, { force: true });
  using file = openImage(iso);
  const { memory, smallestDisk } = readMediumDescription(file.read);
  await sparseFile(path, smallestDisk);
  const disk = { path, format: "raw", writes: "keep" } as const;
  const machine = { accelerator: "tcg", firmware: "bios", ports: [AGENT_PORT], memory } as const;
  let inMemory = 0;
  const whole = await timed(async () => {
    await using vm = await startVm(host, { ...machine, disks: disksWithMedium(disk, iso, "cd", "bios") });
    const agent = agentOf(vm);
    inMemory = await timed(async () => void (await agent.booted(signal)));
    await agent.booted(signal);
    await healthy(agent, signal);
  });
  const boot = await timed(async () => {
    await using vm = await startVm(host, { ...machine, disks: [disk] });
    const agent = agentOf(vm);
    await agent.booted(signal);
    await healthy(agent, signal);
  });
  await rm(path);
  return { whole, inMemory, boot };
}

export function mediumSizes(iso: string): MediumSizes {
  using file = openImage(iso);
  return { iso: file.size, image: findOnMedium(file.read, "archive").size };
}

async function healthy(agent: VmAgent, signal: AbortSignal): Promise<void> {
  for (;;) {
    for await (const value of agent.ask("GET /status", signal)) {
      const { health, state } = value as AgentStatus;
      if (health.is === "healthy" && state === "proven") return;
    }
    await wait(ASK_MS, signal);
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const since = performance.now();
  await work();
  return (performance.now() - since) / 1000;
}
