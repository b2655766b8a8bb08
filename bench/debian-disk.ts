import { createHash } from "node:crypto";
import { join } from "node:path";
import { alignUp, GiB, MiB } from "../src/core/units.ts";
import { buildGrub } from "../src/build/grub.ts";
import { fileExists, makeFolder, writeText } from "../src/host/files.ts";
import { partialFile } from "../src/host/partial-file.ts";
import { writePatches } from "../src/host/sparse.ts";
import { encodeGpt, GPT_RESERVED, PARTITION_TYPES } from "../src/layout/gpt.ts";
import { remove, type BenchContext } from "./context.ts";
import { KERNEL_WORDS, PACKAGES, SUITE, UNITS, writeOverlay } from "./workload.ts";

const SIZE = 3 * GiB;
const BIOS = { start: GPT_RESERVED, size: 1 * MiB };
const ROOT_START = alignUp(BIOS.start + BIOS.size, 4 * MiB);
const ROOT = { start: ROOT_START, size: SIZE - GPT_RESERVED - ROOT_START };
/** Fixed: the disk is never beside another one. */
const GUIDS = {
  disk: "5b0c6a5e-1f0e-4a57-9d31-0c1d5a0f0001",
  bios: "5b0c6a5e-1f0e-4a57-9d31-0c1d5a0f0002",
  root: "5b0c6a5e-1f0e-4a57-9d31-0c1d5a0f0003",
  fileSystem: "5b0c6a5e-1f0e-4a57-9d31-0c1d5a0f0004",
} as const;

/** What no side installs. */
const LEFT_OUT = ["man", "info", "locale", "lintian", "bug", "doc-base"].map(
  (name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`,
);

/** GRUB's own core with the lines that update-grub writes, without its menu's waiting time. */
const SCRIPT = `serial --unit=0 --speed=115200
terminal_output console serial
linux /vmlinuz root=UUID=${GUIDS.fileSystem} ro ${KERNEL_WORDS.join(" ")}
initrd /initrd.img
boot
`;

export interface DebianDisk {
  readonly path: string;
  /** The installed tree, on the host. */
  readonly tree: string;
}

/**
 * The same packages as an ordinary Debian: ext4 on a partition, its own initrd (initramfs-tools, all defaults), GRUB for BIOS.
 *
 * Kept in the benchmark's folder by what it is made of.
 */
export async function debianDisk(context: BenchContext): Promise<DebianDisk> {
  const { tools, progress, signal } = context;
  const id = createHash("sha256")
    .update(JSON.stringify([tools.id, SUITE, PACKAGES, UNITS, SCRIPT, LEFT_OUT]))
    .digest("hex");
  const folder = join(context.folder, `debian-${id.slice(0, 16)}`);
  const tree = join(folder, "tree");
  const path = join(folder, "disk.raw");
  if (await fileExists(path)) return { path, tree };
  await remove(context, tree);
  await makeFolder(tree);
  const inside = { binds: [{ source: folder, writable: true }], anyOwner: true, signal };

  await progress.step("install the same packages as a plain Debian", async (note) => {
    const overlay = join(folder, "overlay");
    await writeOverlay(overlay, "0");
    await writeText(join(overlay, "etc/fstab"), `UUID=${GUIDS.fileSystem} / ext4 errors=remount-ro 0 1\n`);
    await writeText(join(overlay, "etc/hostname"), "bench\n");
    await tools.run(
      [
        ...(["mmdebstrap", "--mode=root", "--variant=essential", "--format=directory"] as const),
        ...[`--include=${[...PACKAGES, "initramfs-tools"].join(",")}`, '--aptopt=Acquire::Languages "none"'],
        ...["--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/doc/*", ...LEFT_OUT],
        ...[
          `--customize-hook=cp -r ${overlay}/. "$1/"`,
          `--customize-hook=systemctl --root="$1" enable ${Object.keys(UNITS).join(" ")}`,
        ],
        ...[SUITE, tree],
      ],
      { ...inside, network: true, onLine: (line) => note(line.replace(/^I: /, "")) },
    );
  });
  await progress.step("put the plain Debian on a disk", async () => {
    await using raw = await partialFile(path, SIZE);
    const loader = await buildGrub(tools, { biosPartition: BIOS, work: folder, script: SCRIPT, signal });
    const { biosBoot, linux } = PARTITION_TYPES;
    const partitions = [
      { number: 1, name: "bios", type: biosBoot, guid: GUIDS.bios, ...BIOS },
      { number: 2, name: "root", type: linux, guid: GUIDS.root, ...ROOT },
    ];
    await writePatches(raw.path, [...encodeGpt({ diskGuid: GUIDS.disk, size: SIZE, partitions }, 512), ...loader.biosPatches]);
    await tools.run(
      [
        ...(["mke2fs", "-q", "-t", "ext4", "-U", GUIDS.fileSystem, "-E", `offset=${ROOT.start}`, "-d", tree] as const),
        ...[raw.path, `${ROOT.size / 1024}k`],
      ],
      inside,
    );
    await raw.finish();
  });
  return { path, tree };
}
