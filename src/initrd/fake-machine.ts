/** A machine with a whole petrify disk, for tests of early boot. */
import { KiB, MiB } from "../core/units.ts";
import { imageCommandLine, loaderCommandLine } from "../layout/cmdline.ts";
import { diskGpt, DISK_PARTITIONS, planDisk, type DiskGuids } from "../layout/disk.ts";
import { latin1Bytes } from "../layout/env-block.ts";
import { encodeGpt, type Partition } from "../layout/gpt.ts";
import { encodeImageFacts } from "../layout/image-facts.ts";
import { encodeIdentity, IDENTITY_OFFSETS } from "../layout/identity.ts";
import { planSystemImage } from "../layout/system-image.ts";
import { fakeSys, type FakeBlock, type FakeSys } from "./fake-sys.ts";

export const ROOT_HASH = "01".repeat(16) + "ef".repeat(16);
export const GUIDS = Object.fromEntries(
  ["disk", ...DISK_PARTITIONS].map((name, index) => [name, `0000000${index}-1111-4222-8333-444444444444`]),
) as unknown as DiskGuids;
export const STATE_DEVICE = "/dev/vda6";

const plan = planDisk({ imageSize: 64 * MiB });
export const diskPartitions: readonly Partition[] = diskGpt(plan, GUIDS).partitions;

export const MACHINE_ID = "0123456789abcdef0123456789abcdef";

interface DiskOptions {
  /** A partition that it lacks. */
  readonly without?: string;
  /** Bytes that the disk has and its table does not know of. */
  readonly more?: number;
  /** It has been before, so it has an identity. */
  readonly booted?: boolean;
}

/** Makes `/dev/NAME` and what sysfs says about it; partitions get their nodes as from the kernel. */
export function addDisk(sys: FakeSys, name: string, { without = "", more = 0, booted = true }: DiskOptions = {}): void {
  const gpt = { ...diskGpt(plan, GUIDS), partitions: diskPartitions.filter((partition) => partition.name !== without) };
  const whole = gpt.size + more;
  sys.blocks.set(`/dev/${name}`, { size: whole, patches: encodeGpt(gpt, "both") });
  sys.files.set(`/sys/block/${name}/size`, String(whole / 512));
  sys.files.set(`/sys/block/${name}/queue/logical_block_size`, "512\n");
  for (const { number, size, name: partition } of gpt.partitions) {
    sys.files.set(`/sys/block/${name}/${name}${number}/partition`, `${number}\n`);
    const identity = IDENTITY_OFFSETS.map((offset) => ({ offset, data: encodeIdentity({ machineId: MACHINE_ID }) }));
    sys.blocks.set(`/dev/${name}${number}`, { size, patches: partition === "record" && booted ? identity : [] });
  }
}

/** A system image as far as early boot reads it. */
export function systemImage(): FakeBlock {
  const guids = { disk: GUIDS.disk, boot: GUIDS.bios };
  const gpt = planSystemImage({ boot: 8 * MiB, root: 32 * MiB, verity: 512 * KiB }, ROOT_HASH, guids);
  const superblock = new Uint8Array(512);
  const view = new DataView(superblock.buffer);
  superblock.set(latin1Bytes("verity"));
  superblock.set(latin1Bytes("sha256"), 32);
  for (const [at, value] of [
    [8, 1],
    [12, 1],
    [64, 4096],
    [68, 4096],
    [72, 8192],
  ] as const) {
    view.setUint32(at, value, true);
  }
  const verity = gpt.partitions.find(({ name }) => name === "root-verity")!;
  return { size: plan.slotSize, patches: [...encodeGpt(gpt, 512), { offset: verity.start, data: superblock }] };
}

/** Boots slot a from `/dev/vda`, whose driver virtio_blk has to be loaded first. */
export function fakeMachine(disk: DiskOptions = {}): FakeSys {
  const loader = loaderCommandLine({ slot: "a", disk: GUIDS.state, file: "/a.img" });
  const index = {
    modules: {
      virtio_blk: { file: "kernel/virtio_blk.ko", after: [] },
      dm_bufio: { file: "kernel/dm-bufio.ko", after: [] },
      dm_verity: { file: "kernel/dm-verity.ko", after: ["dm_bufio"] },
    },
    aliases: [["virtio:d00000002v*", "virtio_blk"]],
    always: ["dm_verity"],
    verityOptions: ["restart_on_error"],
  };
  const sys = fakeSys({
    "/proc/cmdline": `${imageCommandLine({ rootHash: ROOT_HASH })} ${loader}\n`,
    "/lib/modules/index.json": JSON.stringify(index),
    "/sys/bus/virtio/devices/virtio0/modalias": "virtio:d00000002v00001AF4\n",
    "/proc/filesystems": "nodev\ttmpfs\nnodev\tmqueue\nnodev\tdebugfs\n\text4\n",
    "/sys/kernel/debug/x": "",
    "/sys/bus/memory/devices/memory0/modalias": "never:read",
  });
  for (const device of ["loop-control", "loop0", "loop1", "mapper/control"]) {
    sys.blocks.set(`/dev/${device}`, { size: 0, patches: [] });
  }
  sys.react = (line) => {
    if (line === "load /lib/modules/kernel/virtio_blk.ko") addDisk(sys, "vda", disk);
    if (line === `mount ext4 ${STATE_DEVICE} /run/petrify/images`) sys.blocks.set("/run/petrify/images/a.img", systemImage());
    if (line === "mount erofs /dev/dm-7 /sysroot") {
      for (const folder of ["etc", "tmp", "var"]) sys.files.set(`/sysroot/${folder}`, undefined);
      sys.files.set("/sysroot/sbin/init", "");
      const facts = { name: "edge", version: "1.2.0", created: 1_790_000_000, persistent: ["/home"] };
      sys.files.set("/sysroot/usr/lib/petrify/image.json", encodeImageFacts(facts));
    }
  };
  return sys;
}

/** What happens besides, as soon as the machine has done what such a line says. */
export function whenDone(sys: FakeSys, wanted: RegExp, then: () => void): void {
  const { react } = sys;
  sys.react = (line) => {
    react(line);
    if (wanted.test(line)) then();
  };
}
