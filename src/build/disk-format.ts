import type { Tools } from "../host/tools.ts";

/** Forms of a disk; `raw` is sparse: its holes are zeros that matter when it is copied to a real disk. */
export const DISK_FORMATS = ["raw", "qcow2", "vmdk", "vhdx"] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

/** As those who import the form want it. Source: qemu-img(1), "-o" of each. */
const OPTIONS: Readonly<Record<DiskFormat, readonly string[]>> = {
  raw: [],
  qcow2: [],
  // Compressed, in one file that is read from front to back: what VMware's import and OVF packages take.
  vmdk: ["-o", "subformat=streamOptimized"],
  vhdx: ["-o", "subformat=dynamic"],
};

/** Writes a raw disk in another form over `output`, which exists. */
export async function convertDisk(
  tools: Tools,
  raw: string,
  format: DiskFormat,
  output: string,
  signal?: AbortSignal,
): Promise<void> {
  await tools.run(["qemu-img", "convert", "-f", "raw", "-O", format, ...OPTIONS[format], "/tmp/raw", "/tmp/disk"], {
    binds: [
      { source: raw, target: "/tmp/raw" },
      { source: output, target: "/tmp/disk", writable: true },
    ],
    signal,
  });
}
