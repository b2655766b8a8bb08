import { MiB } from "../core/units.ts";
import type { VmDisk, VmOptions } from "./options.ts";

/** Where QEMU finds things inside its sandbox, whatever they are called on the host. */
export const INSIDE = {
  work: "/vm/scratch",
  firmware: "/vm/scratch/firmware-variables.fd",
  keptFirmware: "/vm/firmware-variables.fd",
  kernel: "/vm/kernel",
  initrd: "/vm/initrd",
  disk: (index: number): string => `/vm/disk${index}`,
  overlay: (index: number): string => `/vm/scratch/disk${index}.qcow2`,
} as const;

/** The sockets QEMU inherits: QMP, the console, then one for each of `ports`. */
export const QMP_FD = 3;
const CONSOLE_FD = 4;
export const FIRST_PORT_FD = 5;

const OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd";

/** QEMU's command line, as it is run inside the tools tree. Decides nothing that depends on the host. */
export function qemuArgv(options: VmOptions): [string, ...string[]] {
  const { accelerator = "tcg", cpus = 1, memory = 1024 * MiB, disks, ports = [], extra = [] } = options;
  return [
    "qemu-system-x86_64",
    ...["-nodefaults", "-no-user-config", "-display", "none"],
    ...["-machine", options.firmware === "uefi" ? "q35,pflash0=firmware,pflash1=variables" : "q35"],
    ...["-accel", accelerator, "-cpu", accelerator === "kvm" ? "host" : "max"],
    ...["-smp", String(cpus), "-m", `${Math.floor(memory / MiB)}M`],
    ...firmwareArgs(options),
    ...kernelArgs(options),
    ...["-boot", "menu=off,strict=on"],
    ...["-action", `watchdog=reset,reboot=${options.endOnReboot ? "shutdown" : "reset"}`],
    ...["-chardev", `socket,id=qmp,fd=${QMP_FD}`, "-mon", "chardev=qmp,mode=control"],
    ...["-chardev", `socket,id=console,fd=${CONSOLE_FD}`, "-serial", "chardev:console"],
    ...["-device", "VGA", "-device", "i6300esb", "-device", "virtio-rng-pci"],
    ...networkArgs(options),
    ...(ports.length > 0 ? ["-device", "virtio-serial-pci"] : []),
    ...ports.flatMap((name, index) => [
      ...["-chardev", `socket,id=port${index},fd=${FIRST_PORT_FD + index}`],
      ...["-device", `virtserialport,chardev=port${index},name=${name}`],
    ]),
    ...disks.flatMap(diskArgs),
    ...extra,
  ];
}

function firmwareArgs({ firmware, variables }: VmOptions): string[] {
  if (firmware !== "uefi") return [];
  const flash = (name: string, path: string, readOnly: boolean): string[] =>
    blockdev({ driver: "raw", "node-name": name, "read-only": readOnly, file: { driver: "file", filename: path } });
  return [
    ...flash("firmware", OVMF_CODE, true),
    ...flash("variables", variables === undefined ? INSIDE.firmware : INSIDE.keptFirmware, false),
  ];
}

function kernelArgs({ kernel }: VmOptions): string[] {
  if (!kernel) return [];
  return [
    ...["-kernel", INSIDE.kernel, "-append", kernel.cmdline],
    ...(kernel.initrd === undefined ? [] : ["-initrd", INSIDE.initrd]),
  ];
}

function networkArgs({ forwards = [], online = false }: VmOptions): string[] {
  const rules = forwards.map(({ host, guest }) => `,hostfwd=tcp:127.0.0.1:${host}-:${guest}`).join("");
  // No option ROM: the firmware then loses no time on booting from the network.
  return ["-netdev", `user,id=net0,restrict=${online ? "off" : "on"}${rules}`, "-device", "virtio-net-pci,netdev=net0,romfile="];
}

function diskArgs(disk: VmDisk, index: number): string[] {
  const node = `disk${index}`;
  if (disk.format === "nbd") {
    const server = { type: "unix", path: INSIDE.disk(index) };
    return [...blockdev({ driver: "nbd", "node-name": node, server, discard: "unmap" }), ...controllerArgs(disk, index, node)];
  }
  const kept = disk.writes === "keep";
  const image = {
    driver: kept ? disk.format : "qcow2",
    "node-name": disk.unreadable || disk.unwritable ? `${node}-image` : node,
    discard: "unmap",
    ...(disk.readOnly || disk.controller === "cd" ? { "read-only": true } : {}),
    // What is thrown away in the end need not reach the host's disk.
    cache: { direct: false, "no-flush": !kept },
    file: { driver: "file", filename: kept ? INSIDE.disk(index) : INSIDE.overlay(index), discard: "unmap" },
  };
  const { unreadable = [], unwritable = [] } = disk;
  // `none` is the event of the request itself, and `sector` counts 512 bytes whatever the guest sees.
  const errors = (["read", "write"] as const).flatMap((iotype) =>
    (iotype === "read" ? unreadable : unwritable).map((offset) => ({
      ...{ event: "none", iotype, errno: 5, sector: Math.floor(offset / 512), once: false, immediately: false },
    })),
  );
  const faults = errors.length > 0 && {
    driver: "blkdebug",
    "node-name": node,
    image: `${node}-image`,
    "inject-error": errors,
  };
  return [...blockdev(image), ...(faults ? blockdev(faults) : []), ...controllerArgs(disk, index, node)];
}

function controllerArgs({ controller = "virtio-blk", sectorSize = 512 }: VmDisk, index: number, node: string): string[] {
  const bus = `bus${index}`;
  const common = `drive=${node},bootindex=${index + 1}`; // 0 is the place of `-kernel`
  const sectors = sectorSize === 512 ? "" : `,logical_block_size=${sectorSize},physical_block_size=${sectorSize}`;
  const serial = `,serial=petrify${index}`;
  switch (controller) {
    case "virtio-blk":
      return ["-device", `virtio-blk-pci,${common}${serial}${sectors}`];
    case "virtio-scsi":
      return ["-device", `virtio-scsi-pci,id=${bus}`, "-device", `scsi-hd,bus=${bus}.0,${common}${serial}${sectors}`];
    case "ahci":
      // QEMU knows no IDE disk with other sectors; the machine's own controller has six ports.
      return ["-device", `ide-hd,bus=ide.${index},${common}${serial}`];
    case "cd":
      return ["-device", `ide-cd,bus=ide.${index},${common}${serial}`];
    case "nvme":
      return ["-device", `nvme,${common}${serial}${sectors}`];
    case "usb-storage":
      return ["-device", `qemu-xhci,id=${bus}`, "-device", `usb-storage,bus=${bus}.0,${common}${serial}${sectors}`];
  }
}

const blockdev = (options: object): string[] => ["-blockdev", JSON.stringify(options)];
