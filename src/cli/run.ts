import { join, resolve } from "node:path";
import { Option, type Command } from "commander";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { sparseFile } from "../host/files.ts";
import type { Tools } from "../host/tools.ts";
import { workDir } from "../host/work-dir.ts";
import type { Bootable } from "../vm/bootable.ts";
import type { MediumDescription } from "../layout/medium.ts";
import { disksWithMedium, type MediumKind } from "../vm/medium-disks.ts";
import { requireMemory } from "../vm/host-memory.ts";
import { configDisk } from "../vm/config-disk.ts";
import type { Forward, VmOptions } from "../vm/options.ts";
import { startVm, type VmHost } from "../vm/vm.ts";
import { toolsOf, type Cli, type CliContext } from "./context.ts";
import {
  acceleratorFor,
  diskSizeOption,
  forward,
  kindOfFile,
  mediumFacts,
  mediumOption,
  memoryFor,
  memorySize,
  processors,
  refuseMediumOptions,
} from "./machine-options.ts";
import { configOption, soundConfig, type ConfigVolumeFor } from "./machine-config-option.ts";
import { attend } from "./run-console.ts";

/** Makes a disk with the system image in slot a, as a raw file at `output`. */
export type DiskFor = (image: string, output: string, tools: Tools, context: CliContext) => Promise<void>;

/** Makes what boots the system image from memory, in `folder`. */
export type NetbootFor = (
  image: string,
  folder: string,
  tools: Tools,
  context: CliContext,
) => Promise<{ readonly kernel: string; readonly initrd: string; readonly cmdline: string; readonly memory: Bytes }>;

interface Makers {
  readonly configVolumeFor: ConfigVolumeFor;
  readonly diskFor: DiskFor;
  readonly netbootFor: NetbootFor;
}

interface RunOptions {
  readonly config?: string;
  readonly uefi?: boolean;
  readonly memory?: Bytes;
  readonly ram?: boolean;
  readonly medium?: MediumKind;
  readonly diskSize?: Bytes;
  readonly cpus: number;
  readonly forward?: readonly Forward[];
  readonly online?: boolean;
  readonly headless?: boolean;
  readonly keep?: boolean;
  readonly kvm?: boolean;
}

const EXAMPLES = `
Examples:
  petrify run out/my-os-0.1.0.raw
  petrify run out/my-os-0.1.0.raw --uefi --forward 2222:22 --memory 2GiB
  petrify run out/my-os-0.1.0.img --headless --json
  petrify run out/my-os-0.1.0.img --config node.yaml     # a machine of its own: docs/machine-config.md
  petrify run out/my-os-0.1.0.img --ram
  petrify run out/my-os-0.1.0.iso                        # with an empty disk to install to
  petrify run out/my-os-0.1.0.iso --medium usb --uefi --disk-size 20GiB`;

/** `petrify run IMAGE|DISK`. */
export function registerRun(program: Command, cli: Cli, makers: Makers): void {
  program
    .command("run")
    .summary("boot an image or a disk in a virtual machine")
    .description(
      "Boots a system image, a disk (raw, qcow2, vmdk or vhdx) or an install medium (iso) in QEMU, with its\n" +
        "serial console on the terminal. Ctrl-C ends it. A medium has an empty disk beside it, which boots\n" +
        "once it is installed.",
    )
    .argument("<file>", "system image, disk or iso")
    .option("--uefi", "boot with UEFI firmware instead of BIOS")
    .addOption(
      new Option(
        "--memory <size>",
        "memory of the machine, e.g. 512MiB (default: 1GiB, from memory at least what that takes)",
      ).argParser(memorySize),
    )
    .option("--ram", "boot the image from memory, without a disk: nothing is kept")
    .addOption(mediumOption())
    .addOption(diskSizeOption("size of the empty disk beside an iso, e.g. 20GiB (default: the smallest it installs to)"))
    .addOption(configOption())
    .option("--cpus <number>", "processors of the machine", processors, 1)
    .option("--forward <host:guest>", "make a TCP port of the guest a port of 127.0.0.1; repeatable", forward)
    .option("--online", "let the guest reach the network of this machine")
    .option("--headless", "no console on the terminal; ends with the machine or on Ctrl-C")
    .option("--keep", "write changes to the disk; without this they are thrown away")
    .addOption(new Option("--kvm", "use KVM without trying it first"))
    .addOption(new Option("--no-kvm", "use software emulation"))
    .addHelpText("after", EXAMPLES)
    .action(cli.action(async (context, file: string, options: RunOptions) => await runMachine(context, file, options, makers)));
}

async function runMachine(context: CliContext, file: string, options: RunOptions, makers: Makers): Promise<void> {
  const { output, clock, signal, caller, run } = context;
  const path = resolve(context.cwd, file);
  const kind = kindOfFile(path);
  if ((kind === "system-image" || kind === "medium") && options.keep) {
    throw new AppError("KEEP_NEEDS_DISK", "the machine's disk is temporary, so there is nothing to keep changes in", {
      hint: "Run a disk (`petrify build --output disk`), or make a VM that stays: `petrify vm create`.",
    });
  }
  if (kind === "vmdk" && options.keep) {
    throw new AppError("KEEP_UNSUPPORTED", `${path} is compressed in one stream: nothing can be written to it`, {
      hint: "Run it without --keep, or run a raw or qcow2 disk: `petrify build --output disk --format qcow2`.",
    });
  }
  if (options.ram && kind !== "system-image") {
    throw new AppError("RAM_NEEDS_IMAGE", `${path} is no system image: only that can be put into memory`, {
      hint: "Name the image (.img): `petrify build --output image`.",
    });
  }
  const medium = kind === "medium" ? mediumFacts(path) : undefined;
  if (medium) memoryFor(path, options.memory, medium.memory); // said before any work is done
  else refuseMediumOptions(options);

  const config = options.config === undefined ? undefined : await soundConfig(context, options.config);
  const tools = await toolsOf(context);
  const host: VmHost = { tools, caller, run, folder: join(context.cacheFolder, "vm"), signal };
  await using work = await workDir(host.folder, caller, run);
  const choice = await acceleratorFor(host, options.kvm, path, work.path);
  const { needed, ...boots } = await bootOf(context, tools, { path, kind, medium, work: work.path }, options, makers);
  const volume = join(work.path, "config.raw");
  if (config)
    await makers.configVolumeFor({ path: volume, userData: config, instance: "petrify-run", work: work.path }, tools, context);
  const size = memoryFor(path, options.memory, needed);
  await requireMemory(size);
  const vm: VmOptions = {
    ...{ ...boots, disks: config ? [...boots.disks, configDisk(volume)] : boots.disks },
    ...{ accelerator: choice.accelerator, cpus: options.cpus, memory: size },
    ...{ firmware: options.uefi ? "uefi" : "bios", forwards: options.forward ?? [], online: options.online === true },
  };
  const started = clock();
  await using machine = await startVm(host, vm);
  const name = choice.accelerator === "kvm" ? "KVM" : "software emulation";
  const event = { type: "started", ...choice, firmware: vm.firmware, file: path };
  output.event(event, `running on ${name}: ${choice.reason}`);
  for (const port of options.forward ?? [])
    output.event({ type: "forward", ...port }, `127.0.0.1:${port.host} → port ${port.guest}`);

  const seconds = (): number => Math.round((clock() - started) / 100) / 10;
  const exit = await attend(context, machine, {
    headless: options.headless === true || context.json,
    kept: options.keep === true,
    seconds,
  });
  if (exit.reason === "killed" || exit.code !== 0) {
    throw new AppError("QEMU_FAILED", `QEMU ended by itself with status ${exit.code}`);
  }
  output.result({ reason: exit.reason, seconds: seconds() }, `the machine has ended (${exit.reason}) after ${seconds()} s`);
}

/** What a machine boots, and the memory that takes, where it is known. */
interface Boots extends Pick<VmOptions, "disks" | "kernel"> {
  readonly needed?: Bytes;
}

interface Subject {
  readonly path: string;
  readonly kind: Bootable;
  /** What an iso says of itself. */
  readonly medium: MediumDescription | undefined;
  readonly work: string;
}

async function bootOf(
  context: CliContext,
  tools: Tools,
  { path, kind, medium, work }: Subject,
  options: RunOptions,
  { diskFor, netbootFor }: Makers,
): Promise<Boots> {
  if (options.ram) {
    const { kernel, initrd, cmdline, memory } = await netbootFor(path, join(work, "netboot"), tools, context);
    return { disks: [], kernel: { path: kernel, initrd, cmdline }, needed: memory };
  }
  const disk = join(work, "disk.raw");
  const own = { path: disk, format: "raw", writes: "keep" } as const; // it is thrown away itself
  if (medium) {
    await sparseFile(disk, options.diskSize ?? medium.smallestDisk);
    const disks = disksWithMedium(own, path, options.medium ?? "cd", options.uefi ? "uefi" : "bios");
    return { disks, needed: medium.memory };
  }
  if (kind !== "system-image" && kind !== "medium")
    return { disks: [{ path, format: kind, writes: options.keep ? "keep" : "discard" }] };
  await diskFor(path, disk, tools, context);
  return { disks: [own] };
}
