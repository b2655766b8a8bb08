import { join } from "node:path";
import { AppError } from "../src/core/error.ts";
import { makeFolder } from "../src/host/files.ts";
import { startVm, type Vm } from "../src/vm/vm.ts";
import type { BenchContext } from "./context.ts";
import { IDLE_MARKER, MARKER } from "./workload.ts";

/** Seconds since QEMU let the machine run. */
export interface BootTime {
  /** The kernel's first line on the console. */
  readonly kernel: number;
  /** systemd's greeting in the root file system. */
  readonly init: number;
  readonly multiUser: number;
  /** `/proc/self/mounts` of the root: proof of what was booted. */
  readonly root: string;
}

const LIMIT_MS = 300_000;
/** Of one by instructions: it takes longer. */
const COUNTED_LIMIT_MS = 900_000;
/** A clock of one nanosecond for each instruction of the guest, that jumps over idle time. */
const BY_INSTRUCTIONS = ["-icount", "shift=0,sleep=off"] as const;
/** Between two presses of the power button. */
const PRESS_MS = 15_000;

/**
 * Boots a disk once and lets it end in good order, so that what a system does only at its first boot is not measured.
 *
 * Both systems keep what they write.
 */
export async function settle(disk: string, context: BenchContext): Promise<void> {
  await using vm = await start(disk, "keep", context);
  await vm.qmp.execute("cont");
  await vm.waitForConsole(new RegExp(`^${IDLE_MARKER}`, "m"), { timeoutMs: LIMIT_MS });
  // A button that is pressed before the guest has found it is not noticed: udev may be at work longer than systemd.
  const end = performance.now() + LIMIT_MS;
  for (let down = false; !down;) {
    await vm.qmp.execute("system_powerdown");
    down = await vm.waitForConsole("reboot: Power down", { timeoutMs: PRESS_MS }).then(
      () => true,
      (error: unknown) => {
        if (performance.now() > end) throw error;
        return false;
      },
    );
  }
  await vm.exited;
}

/** Boots a disk without changing it. QEMU waits, its devices made, until the clock has started. */
export async function timeBoot(disk: string, context: BenchContext): Promise<BootTime> {
  await using vm = await start(disk, "discard", context);
  let text = "";
  const seen: Record<string, number> = {};
  const begin = performance.now();
  vm.onConsole((chunk) => {
    text += chunk;
    for (const [name, pattern] of Object.entries(PATTERNS)) {
      if (seen[name] === undefined && pattern.test(text)) seen[name] = (performance.now() - begin) / 1000;
    }
  });
  await vm.qmp.execute("cont");
  const { root } = await waitForMarker(vm);
  const { kernel, init, multiUser } = seen;
  if (kernel === undefined || init === undefined || multiUser === undefined) {
    throw new AppError("BOOT_UNCLEAR", `the console of ${disk} does not show every stage of the boot:\n${vm.consoleText()}`);
  }
  return { kernel, init, multiUser, root };
}

/**
 * Boots a disk with a clock that goes by the guest's instructions (one a nanosecond) and jumps over its idle time.
 *
 * What else the machine is doing changes little, so two systems can be compared at any time. Firmware and boot loader do not count.
 *
 * @returns seconds of that clock from the kernel's start to multi-user
 */
export async function countBoot(disk: string, context: BenchContext): Promise<number> {
  await using vm = await start(disk, "discard", context, BY_INSTRUCTIONS);
  await vm.qmp.execute("cont");
  return (await waitForMarker(vm)).uptime;
}

/** Boots in the same way until the console says this. @returns all that it has said */
export async function bootedText(disk: string, until: string, context: BenchContext): Promise<string> {
  await using vm = await start(disk, "discard", context, BY_INSTRUCTIONS);
  await vm.qmp.execute("cont");
  await vm.waitForConsole(until, { timeoutMs: COUNTED_LIMIT_MS });
  return vm.consoleText();
}

async function waitForMarker(vm: Vm): Promise<{ readonly root: string; readonly uptime: number }> {
  const pattern = new RegExp(`^${MARKER}\\n(?:.*\\n)*?(\\S+ / .*)\\n(?:.*\\n)*?(\\d+\\.\\d+) \\d+\\.\\d+\\n`, "m");
  const [, root, uptime] = await vm.waitForConsole(pattern, { timeoutMs: LIMIT_MS });
  return { root: root!, uptime: Number(uptime) };
}

const PATTERNS = { kernel: /Linux version/, init: /Welcome to /, multiUser: new RegExp(MARKER) } as const;

async function start(
  path: string,
  writes: "keep" | "discard",
  context: BenchContext,
  extra: readonly string[] = [],
): Promise<Vm> {
  const { tools, caller, run, signal } = context;
  const folder = join(context.folder, "vm");
  await makeFolder(folder);
  return await startVm(
    { tools, caller, run, folder, signal },
    { disks: [{ path, format: "raw", writes }], accelerator: "tcg", firmware: "bios", extra: ["-S", ...extra] },
  );
}
