import { join, resolve } from "node:path";
import { Option, type Command } from "commander";
import { AppError } from "../../core/error.ts";
import { hex } from "../../core/digest.ts";
import { formatSize, type Bytes } from "../../core/units.ts";
import { copyFile, sha256File, sparseFile, syncFile } from "../../host/files.ts";
import { sha256 } from "../../host/sha256.ts";
import { toolFailed, type Tools } from "../../host/tools.ts";
import type { Bootable } from "../../vm/bootable.ts";
import type { MediumKind } from "../../vm/medium-disks.ts";
import { diskFile, differences, requireVmName, VM_FILES, type NamedVm } from "../../vm/named-vm.ts";
import type { Forward } from "../../vm/options.ts";
import { OVMF_VARIABLES } from "../../vm/vm.ts";
import { toolsOf, type Cli, type CliContext } from "../context.ts";
import {
  diskSizeOption,
  forward,
  kindOfFile,
  mediumFacts,
  mediumOption,
  memoryFor,
  memorySize,
  processors,
  refuseMediumOptions,
} from "../machine-options.ts";
import { configOption, soundConfig, type ConfigVolumeFor } from "../machine-config-option.ts";
import { openStore } from "./store.ts";

/** Makes a disk with the system image in slot a, as a raw file at `output`; says what the image is. */
export type VmDiskFor = (
  request: { readonly image: string; readonly diskSize?: Bytes | undefined; readonly work: string; readonly output: string },
  tools: Tools,
  context: CliContext,
) => Promise<{ readonly name: string; readonly version: string }>;

export interface VmMakers {
  readonly configVolumeFor: ConfigVolumeFor;
  readonly diskFor: VmDiskFor;
}

interface CreateOptions {
  readonly config?: string;
  readonly uefi?: boolean;
  readonly memory?: Bytes;
  readonly medium?: MediumKind;
  readonly cpus: number;
  readonly diskSize?: Bytes;
  readonly forward?: readonly Forward[];
  readonly online?: boolean;
}

const EXAMPLES = `
The disk is a copy: building the image again changes nothing about the VM.

Examples:
  petrify vm create web out/my-os-0.1.0.img
  petrify vm create web out/my-os-0.1.0.img --memory 2GiB --forward 8080:80 --forward 2222:22 --online
  petrify vm create edge out/my-os-0.1.0.img --config node.yaml  # a machine of its own: docs/machine-config.md
  petrify vm create node out/my-os-0.1.0.iso --disk-size 20GiB   # an empty disk, and the medium to install from
  petrify vm create old backup.qcow2 --uefi --disk-size 20GiB --json`;

/** `petrify vm create NAME IMAGE|DISK`. */
export function registerVmCreate(vm: Command, cli: Cli, makers: VmMakers): void {
  vm.command("create")
    .summary("make a VM of an image or a disk")
    .description(
      "Makes a virtual machine with a disk of its own from a system image, a disk (raw, qcow2, vmdk or\n" +
        "vhdx) or an install medium (iso). It keeps what it writes.",
    )
    .argument("<name>", "its name: small letters, digits and hyphens")
    .argument("<file>", "system image, disk or iso")
    .option("--uefi", "boot with UEFI firmware instead of BIOS")
    .addOption(
      new Option("--memory <size>", "memory of the machine, e.g. 512MiB (default: 1GiB, for an iso at least what it takes)") //
        .argParser(memorySize),
    )
    .option("--cpus <number>", "processors of the machine", processors, 1)
    .addOption(diskSizeOption("size of its disk, e.g. 20GiB (default: as small as the image allows, or the disk's own)"))
    .addOption(mediumOption())
    .addOption(configOption())
    .option("--forward <host:guest>", "make a TCP port of the guest a port of 127.0.0.1; repeatable", forward)
    .option("--online", "let the guest reach the network of this machine")
    .addHelpText("after", EXAMPLES)
    .action(
      cli.action(
        async (context, name: string, file: string, options: CreateOptions) =>
          await createVm(context, name, file, options, makers),
      ),
    );
}

async function createVm(
  context: CliContext,
  name: string,
  file: string,
  options: CreateOptions,
  makers: VmMakers,
): Promise<void> {
  const { output, signal, cwd, progress } = context;
  requireVmName(name);
  const path = resolve(cwd, file);
  const kind = kindOfFile(path);
  const facts = kind === "medium" ? mediumFacts(path) : undefined;
  if (!facts) refuseMediumOptions({ ...(options.medium ? { medium: options.medium } : {}) });
  const config = options.config === undefined ? undefined : await soundConfig(context, options.config);
  const digest = await progress.step(`read ${file}`, async () => await sha256File(path, signal));
  const wanted: NamedVm = {
    ...{ format: 1, name, source: { path, sha256: digest } },
    disk: {
      format: kind === "system-image" || kind === "medium" || kind === "raw" ? "raw" : "qcow2",
      ...(options.diskSize === undefined ? {} : { size: options.diskSize }),
    },
    ...(facts ? { medium: options.medium ?? "cd" } : {}),
    ...(config ? { config: { sha256: hex(sha256.digest(config)) } } : {}),
    ...{ firmware: options.uefi ? "uefi" : "bios", memory: memoryFor(path, options.memory, facts?.memory), cpus: options.cpus },
    ...{ forwards: options.forward ?? [], online: options.online === true },
  };
  const store = openStore(context);
  const folder = store.folderOf(name);
  if (await store.has(name)) {
    const vm = requireSame(await store.read(name), wanted);
    return output.result({ changed: false, folder, vm }, `the VM ${name} is there already`);
  }
  const tools = await toolsOf(context);
  const vm = await store.add(name, async (made, work) => {
    const image = await makeDisk(context, tools, { path, kind, vm: wanted, folder: made, work }, makers.diskFor);
    if (config) await makeConfig(context, tools, { name, config, folder: made, work }, makers);
    return image ? { ...wanted, image } : wanted;
  });
  output.result({ changed: true, folder, vm }, `the VM ${name} is made; \`petrify vm start ${name} --console\` starts it`);
}

/** @throws AppError `VM_EXISTS` */
function requireSame(there: NamedVm, wanted: NamedVm): NamedVm {
  const differs = differences(there, wanted);
  if (differs.length === 0) return there;
  throw new AppError("VM_EXISTS", `there is a VM ${wanted.name} already, and it differs in: ${differs.join(", ")}`, {
    hint: `Choose another name, or remove it first: \`petrify vm delete ${wanted.name}\`.`,
  });
}

interface Making {
  readonly path: string;
  readonly kind: Bootable;
  readonly vm: NamedVm;
  readonly folder: string;
  readonly work: string;
}

/** @returns what the image says of itself; nothing for a disk */
async function makeDisk(
  context: CliContext,
  tools: Tools,
  { path, kind, vm, folder, work }: Making,
  diskFor: VmDiskFor,
): Promise<{ readonly name: string; readonly version: string } | undefined> {
  const { signal, progress } = context;
  const inFolder = { binds: [{ source: path }, { source: folder, writable: true }], signal };
  const output = join(folder, diskFile(vm));
  let image: { readonly name: string; readonly version: string } | undefined;
  if (kind === "medium") {
    const { name, version, smallestDisk } = mediumFacts(path);
    image = { name, version };
    await sparseFile(output, vm.disk.size ?? smallestDisk);
    await progress.step("copy the medium", async () => await copyFile(path, join(folder, VM_FILES.medium)));
    await syncFile(join(folder, VM_FILES.medium));
  } else if (kind === "system-image") {
    image = await diskFor({ image: path, diskSize: vm.disk.size, work, output }, tools, context);
  } else {
    await progress.step("copy the disk", async () => {
      await tools
        .run(["qemu-img", "convert", "-f", kind, "-O", vm.disk.format, path, output], inFolder)
        .catch((cause: unknown) => {
          signal.throwIfAborted();
          throw toolFailed("qemu-img", `${path} cannot be copied`, cause);
        });
      if (vm.disk.size !== undefined) await growDisk(tools, output, vm.disk.format, vm.disk.size, inFolder);
    });
  }
  if (vm.firmware === "uefi") await tools.run(["cp", OVMF_VARIABLES, join(folder, VM_FILES.variables)], inFolder);
  await syncFile(output);
  return image;
}

async function makeConfig(
  context: CliContext,
  tools: Tools,
  {
    name,
    config,
    folder,
    work,
  }: { readonly name: string; readonly config: Uint8Array; readonly folder: string; readonly work: string },
  { configVolumeFor }: VmMakers,
): Promise<void> {
  const path = join(folder, VM_FILES.config);
  await configVolumeFor({ path, userData: config, instance: `petrify-vm-${name}`, work }, tools, context);
  await syncFile(path);
}

/** @throws AppError `DISK_TOO_SMALL` */
async function growDisk(
  tools: Tools,
  path: string,
  format: string,
  size: Bytes,
  inFolder: Parameters<Tools["run"]>[1],
): Promise<void> {
  const { stdout } = await tools.run(["qemu-img", "info", "--output=json", "-f", format, path], inFolder);
  const has = (JSON.parse(stdout) as { readonly "virtual-size": Bytes })["virtual-size"];
  if (size < has) {
    throw new AppError("DISK_TOO_SMALL", `the disk has ${formatSize(has)}, and ${formatSize(size)} is less`, {
      hint: `Leave out --disk-size, or give at least ${formatSize(has)}.`,
    });
  }
  await tools.run(["qemu-img", "resize", "-q", "-f", format, path, String(size)], inFolder);
}
