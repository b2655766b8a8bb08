/** What a machine config adds to a boot: CPU time of the whole guest until multi-user, by a clock that goes by its instructions. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../src/core/error.ts";
import { fileSize, makeFolder, sparseFile } from "../src/host/files.ts";
import { copySparse, writePatches } from "../src/host/sparse.ts";
import { onOem } from "../tests/vm/harness/oem.ts";
import { bootedText, settle } from "./boot.ts";
import type { BenchContext } from "./context.ts";
import { petrifyBuilder } from "./petrify.ts";

const END = "BENCH-CONFIG-END";
/** What the CPU has done when multi-user is reached, and what this boot has of a config. */
const UNITS = {
  "bench-config.service": `[Unit]
Description=Says on the console what the boot has taken of the CPU
After=multi-user.target

[Service]
Type=oneshot
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/echo
ExecStart=/bin/grep "^cpu " /proc/stat
ExecStart=/bin/echo
ExecStart=-/bin/cat /run/petrify/config.json
ExecStart=/bin/echo ${END}

[Install]
WantedBy=multi-user.target
`,
} as const;

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);
/** As many people, files and units as a machine may have. The units start nothing: what a service costs is the service's. */
export const BOOT_CONFIG = `#cloud-config\n${JSON.stringify({
  hostname: "bench-7",
  users: numbers(10).map((index) => ({
    name: `user${index}`,
    groups: ["adm"],
    ssh_authorized_keys: [`ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKn9cO2yPpVtl1hW0cVb2v6vC1w0Yh7kLGm5nB1yQXcA user${index}@desk`],
  })),
  write_files: numbers(20).map((index) => ({ path: `/etc/bench/${index}.conf`, content: `value = ${index}\n`.repeat(20) })),
  units: numbers(5).map((index) => ({
    name: `app${index}.service`,
    content: `[Unit]\nConditionPathExists=/nothing\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n`,
    enable: true,
  })),
  sysctl: { "net.ipv4.ip_forward": "1", "vm.swappiness": "10" },
  network: { version: 2, ethernets: { all: { match: { name: "e*" }, addresses: ["192.0.2.7/24"], optional: true } } },
})}\n`;

export interface ConfigBoots {
  /** Seconds that the CPU was busy. Boots a disk as it is, and changes nothing on it. */
  readonly cpu: (side: ConfigSide) => Promise<number>;
  /** Boots it, and lets the boot end: the next one is a later one. */
  readonly settle: (side: ConfigSide) => Promise<void>;
}
export type ConfigSide = "with" | "without";

/** Two disks of one image that have never been booted; on the oem partition of one of them lies a config. */
export async function openConfigBoots(context: BenchContext): Promise<ConfigBoots> {
  const { tools, progress, signal } = context;
  const petrify = await petrifyBuilder("image,disk", context, { folderName: "petrify-config", units: UNITS });
  await progress.step("build petrify's disk", async () => await petrify.prepare());
  await makeFolder(join(context.folder, "config"));
  const disks = { with: join(context.folder, "config/with.raw"), without: join(context.folder, "config/without.raw") } as const;
  for (const path of Object.values(disks)) {
    const size = await fileSize(petrify.disk);
    await rm(path, { force: true });
    await sparseFile(path, size);
    await copySparse(petrify.disk, path, [{ from: 0, length: size, to: 0 }], signal);
  }
  await writePatches(disks.with, await onOem({ host: { tools }, disk: petrify.disk }, "machine.yaml", BOOT_CONFIG));
  return {
    cpu: async (side) => cpuOf(await bootedText(disks[side], END, context), side === "with"),
    settle: async (side) => await settle(disks[side], context),
  };
}

/** proc_stat(5) of a kernel whose ticks are hundredths. */
const TICKS = 100;

/** @param text of the console @returns seconds that the CPU was busy @throws AppError `CONFIG_UNCLEAR` when it has another config than it should */
export function cpuOf(text: string, hasConfig: boolean): number {
  const [, ticks] = /^cpu +([\d ]+)$/m.exec(text.replaceAll("\r", "")) ?? [];
  const isThere = /"generation":\d+/.test(text);
  if (ticks === undefined || isThere !== hasConfig)
    throw new AppError(
      "CONFIG_UNCLEAR",
      `the console does not say what the boot took, or the config is not what it should be:\n${text}`,
    );
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = ticks.split(" ").map(Number);
  return (user + nice + system + irq + softirq) / TICKS;
}
