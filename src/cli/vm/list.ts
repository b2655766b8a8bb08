import { join } from "node:path";
import type { Command } from "commander";
import { AppError } from "../../core/error.ts";
import { VM_FILES, type NamedVm } from "../../vm/named-vm.ts";
import type { RunningVm } from "../../vm/supervisor.ts";
import { stateOf } from "../../vm/supervisor-client.ts";
import type { Cli, CliContext } from "../context.ts";
import { openStore, type VmStore } from "./store.ts";
import { listText } from "./list-text.ts";

/** A line of `petrify vm list`. */
export type ListedVm = {
  readonly name: string;
  /** `unresponsive`: its process is there and does not answer. `unreadable`: its description is damaged, or a newer petrify's. */
  readonly state: "running" | "stopped" | "unresponsive" | "unreadable";
  /** Everything that the machine is belongs to it. */
  readonly folder: string;
  /** What it has said on its console. */
  readonly console: string;
  /** Why the state is what it is. */
  readonly reason?: string;
} & Partial<Pick<NamedVm, "image" | "source" | "memory" | "cpus" | "firmware" | "forwards" | "online">> &
  Partial<Pick<RunningVm, "pid" | "uptime" | "accelerator">>;

const EXAMPLES = `
Examples:
  petrify vm list
  petrify vm list --json`;

/** `petrify vm list`. */
export function registerVmList(vm: Command, cli: Cli): void {
  vm.command("list")
    .summary("list the VMs")
    .description("Lists every VM: whether it runs, since when, what it was made of, and its ports.")
    .addHelpText("after", EXAMPLES)
    .action(
      cli.action(async (context: CliContext) => {
        const store = openStore(context);
        const names = await store.names();
        const vms = await Promise.all(names.map(async (name) => await listed(store, name, context.signal)));
        context.output.result({ vms }, listText(vms));
      }),
    );
}

async function listed(store: VmStore, name: string, signal: AbortSignal): Promise<ListedVm> {
  const folder = store.folderOf(name);
  const where = { name, folder, console: join(folder, VM_FILES.console) };
  const vm = await orReason(store.read(name));
  const told = vm.value ? pick(vm.value) : {};
  const running = await orReason(stateOf(folder, signal));
  signal.throwIfAborted();
  if (running.reason !== undefined) return { ...where, ...told, state: "unresponsive", reason: running.reason };
  const { pid, uptime, accelerator } = running.value ?? {};
  const now = pid === undefined ? {} : { pid, uptime: uptime!, accelerator: accelerator! };
  if (vm.reason !== undefined) return { ...where, ...now, state: "unreadable", reason: vm.reason };
  return { ...where, ...told, ...now, state: running.value ? "running" : "stopped" };
}

function pick({ image, source, memory, cpus, firmware, forwards, online }: NamedVm): Partial<ListedVm> {
  return { ...(image ? { image } : {}), source, memory, cpus, firmware, forwards, online };
}

async function orReason<T>(asked: Promise<T>): Promise<{ readonly value?: T; readonly reason?: string }> {
  try {
    return { value: await asked };
  } catch (error) {
    if (error instanceof AppError) return { reason: error.message };
    throw error;
  }
}
