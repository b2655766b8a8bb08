import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import { fileExists, readText, writeText } from "../host/files.ts";
import { workDir } from "../host/work-dir.ts";
import type { Accelerator } from "./options.ts";
import { startVm, type VmHost } from "./vm.ts";

/** Which accelerator to use, and why, as a sentence for the user. */
export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  readonly reason: string;
}

const SOURCE = join(import.meta.dirname, "probe-init.c");
/** Not kept: permissions change while the host runs. */
const FORBIDDEN: AcceleratorChoice = { accelerator: "tcg", reason: "this user may not open /dev/kvm" };
const PROBE_LIMIT_MS = { kvm: 15_000, tcg: 120_000 } as const;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/**
 * Finds out whether KVM runs a real kernel here.
 *
 * A present `/dev/kvm` is no proof: where KVM itself is emulated, firmware and boot loader run and the kernel hangs in its own
 * decompressor. So a kernel is booted to user space, within a time limit, and the verdict is kept until the host reboots.
 *
 * @param kernel gives the path of a Linux kernel image; called only when there is no verdict yet
 */
export async function chooseAccelerator(host: VmHost, kernel: () => Promise<string | undefined>): Promise<AcceleratorChoice> {
  if (!host.caller.devices.includes("kvm")) return { accelerator: "tcg", reason: "this machine has no /dev/kvm" };
  const memory = join(host.folder, "accelerator.json");
  const key = `${(await readText(BOOT_ID)).trim()} ${host.tools.id}`;
  const known = await recall(memory, key);
  if (known) return known;
  const path = await kernel();
  if (path === undefined) return { accelerator: "tcg", reason: "there is no kernel at hand to try KVM with" };
  const choice = await probe(host, path);
  if (choice !== FORBIDDEN) await writeText(memory, `${JSON.stringify({ key, ...choice })}\n`);
  return choice;
}

async function recall(path: string, key: string): Promise<AcceleratorChoice | undefined> {
  if (!(await fileExists(path))) return undefined;
  try {
    const stored = JSON.parse(await readText(path)) as AcceleratorChoice & { readonly key: string };
    return stored.key === key ? { accelerator: stored.accelerator, reason: stored.reason } : undefined;
  } catch {
    return undefined; // a torn file is no verdict
  }
}

async function probe(host: VmHost, kernel: string): Promise<AcceleratorChoice> {
  try {
    await bootProbe(host, kernel, "kvm");
    return { accelerator: "kvm", reason: "a kernel reached user space under KVM" };
  } catch (error) {
    host.signal?.throwIfAborted();
    if (!(error instanceof AppError)) throw error;
    if (/Permission denied/.test(error.message)) return FORBIDDEN;
    const what = error.code === "VM_TIMEOUT" ? "a kernel hangs under KVM here" : "KVM does not run a kernel here";
    return { accelerator: "tcg", reason: what };
  }
}

/**
 * Boots a kernel to the probe's own init.
 *
 * @throws AppError `VM_TIMEOUT`, `VM_ENDED`, `QEMU_FAILED` when it does not get there
 */
export async function bootProbe(host: VmHost, kernel: string, accelerator: Accelerator): Promise<void> {
  await using work = await workDir(host.folder, host.caller, host.run);
  const inside = { binds: [{ source: work.path, writable: true }, { source: SOURCE }], cwd: work.path, signal: host.signal };
  await host.tools.run(["gcc", "-Os", "-static", "-nostdlib", "-ffreestanding", "-o", "init", SOURCE], inside);
  await host.tools.run(["cpio", "--quiet", "--create", "--format=newc", "--file=initrd"], { ...inside, stdin: "init\n" });
  await using vm = await startVm(host, {
    ...{ disks: [], accelerator, memory: 256 * MiB, endOnReboot: true },
    kernel: { path: kernel, initrd: join(work.path, "initrd"), cmdline: "console=ttyS0 quiet panic=-1" },
  });
  await vm.waitForConsole("petrify-probe: user space", { timeoutMs: PROBE_LIMIT_MS[accelerator] });
}
