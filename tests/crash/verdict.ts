/** Whether a state after a power cut is one that a machine may be in. */
import { FULL_TRIES, SLOTS, type SlotName } from "../../src/layout/slots.ts";
import { decide, type BootDecision, type ImageName } from "../../src/layout/boot-rules.ts";
import { DISK_PARTITIONS, IMAGE_FILES, TRIES_FILE, type DiskPartition, type Extent } from "../../src/layout/disk.ts";
import { findInFat } from "../../src/layout/fat.ts";
import { decodeGpt, type DecodedGpt } from "../../src/layout/gpt.ts";
import { decodeIdentity, IDENTITY_OFFSETS, IDENTITY_SIZE, type Identity } from "../../src/layout/identity.ts";
import { decodeSeed, SEED_OFFSET, SEED_SIZE } from "../../src/layout/random-seed.ts";
import { newestRecord, RECORD_BLOCK_SIZE, RECORD_COPY_OFFSETS, type BootRecord } from "../../src/layout/record.ts";
import { decodeResetOrder, RESET_ORDER_OFFSET, RESET_ORDER_SIZE, type FoundOrder } from "../../src/layout/reset-order.ts";
import { CLOCK_OFFSET, CLOCK_SIZE, decodeStoredClock } from "../../src/layout/stored-clock.ts";
import { decodeTries, type Tries } from "../../src/layout/tries.ts";
import type { MatrixImage } from "./matrix-disk.ts";
import type { HeldImage, ReplayDisk } from "./replay-disk.ts";
import type { Ext4Partition, Ext4View, GrubView, Views } from "./views.ts";

/** All that is seen of one state. */
export interface Seen {
  readonly table: DecodedGpt | undefined;
  readonly record: BootRecord | undefined;
  readonly tries: Tries | undefined;
  readonly decision: BootDecision;
  readonly held: Readonly<Record<ImageName, HeldImage>>;
  readonly identity: Identity | undefined;
  /** Seconds since 1970. */
  readonly clock: number | undefined;
  /** Hexadecimal. */
  readonly seed: string | undefined;
  /** That the machine is to be reset. */
  readonly order: FoundOrder;
  readonly grub: GrubView;
  readonly ext4: Readonly<Record<Ext4Partition, Ext4View>>;
}

const EXT4: readonly Ext4Partition[] = ["oem", "persistent", "state", "recovery"];
const IMAGE_NAMES = Object.keys(IMAGE_FILES) as ImageName[];

/** Files that claims are about, by partition. */
export type Watched = Readonly<Partial<Record<Ext4Partition, readonly string[]>>>;

/** Looks at the state that the disk is in now; the disk may go on to another one before the promise is kept. */
export function look(disk: ReplayDisk, views: Views, watched: Watched): Promise<Seen> {
  const { partitions } = disk.layout;
  const inRecord = (offset: number, length: number): Uint8Array => disk.read(partitions.record.start + offset, length);
  const table = orNothing(() => decodeGpt(disk.read, disk.layout.size, 512));
  const [one, two] = RECORD_COPY_OFFSETS.map((offset) => inRecord(offset, RECORD_BLOCK_SIZE));
  const { newest } = newestRecord([one, two]);
  const record = newest.is === "whole" ? newest.record : undefined;
  const tries = orNothing(() => triesOn(disk));
  const held = Object.fromEntries(IMAGE_NAMES.map((name) => [name, disk.held(name)])) as Seen["held"];
  const whole = Object.fromEntries(IMAGE_NAMES.map((name) => [name, held[name].boots !== undefined])) as Record<
    ImageName,
    boolean
  >;
  const seed = decodeSeed(inRecord(SEED_OFFSET, SEED_SIZE));
  const seen = {
    ...{ table, record, tries, held },
    decision: decide({ record, tries, whole, saves: true }),
    identity: IDENTITY_OFFSETS.map((offset) => decodeIdentity(inRecord(offset, IDENTITY_SIZE))).find(Boolean),
    clock: decodeStoredClock(inRecord(CLOCK_OFFSET, CLOCK_SIZE)),
    seed: seed && Buffer.from(seed).toString("hex"),
    order: decodeResetOrder(inRecord(RESET_ORDER_OFFSET, RESET_ORDER_SIZE)),
  };
  const sizeOf = (name: DiskPartition): number =>
    table?.partitions.find((partition) => partition.name === name)?.size ?? partitions[name].size;
  const looks = EXT4.map(async (name) => [name, await views.ext4(disk, name, sizeOf(name), watched[name] ?? [])] as const);
  const grub = views.grub(disk);
  return (async () => ({ ...seen, grub: await grub, ext4: Object.fromEntries(await Promise.all(looks)) as Seen["ext4"] }))();
}

function triesOn(disk: ReplayDisk): Tries | undefined {
  const { start } = disk.layout.partitions.efi;
  const { size, extents } = findInFat((offset, length) => disk.read(start + offset, length), TRIES_FILE);
  return decodeTries(disk.read(start + extents[0]!.start, size));
}

function orNothing<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch {
    return undefined;
  }
}

/** What must hold whatever is being done: a sentence for each thing that does not. @param remade file systems that are not looked at */
export function problems(
  seen: Seen,
  disk: ReplayDisk,
  images: readonly MatrixImage[],
  remade: readonly Ext4Partition[] = [],
): string[] {
  const { layout } = disk;
  return [
    ...tableProblems(seen),
    ...IMAGE_NAMES.flatMap((name) => placeProblems(name, seen.grub[name], layout)),
    ...EXT4.filter((name) => !remade.includes(name)).flatMap((name) => {
      const { mends, clean, said } = seen.ext4[name];
      return mends && clean
        ? []
        : [`the ${name} file system is ${mends ? "not clean after its check" : "not mended by its check"}: ${said}`];
    }),
    ...bootProblems(seen, images),
  ];
}

function tableProblems({ table }: Seen): string[] {
  if (!table) return ["there is no partition table"];
  // Linux takes no backup where the primary is damaged, and GRUB checks no checksum.
  if (table.damage?.startsWith("primary")) return [`the partition table is damaged: ${table.damage}`];
  return DISK_PARTITIONS.filter((name) => !table.partitions.some((partition) => partition.name === name)).map(
    (name) => `there is no partition ${name}`,
  );
}

function placeProblems(name: ImageName, seen: readonly Extent[], { partitions, images }: ReplayDisk["layout"]): string[] {
  const { start } = name === "a" || name === "b" ? partitions.state : partitions.recovery;
  const [one, more] = seen;
  if (one && !more && start + one.start === images[name].start && one.size === images[name].size) return [];
  return [`GRUB ${one ? "sees another place of" : "does not see"} ${IMAGE_FILES[name]}`];
}

function bootProblems({ record, tries, decision, held }: Seen, images: readonly MatrixImage[]): string[] {
  if (!record) return ["the boot record is unreadable"];
  if (!tries) return ["the tries are unreadable"];
  const digests = new Map(images.map(({ name, digest }) => [name, digest]));
  const slotProblems = (slot: SlotName): string[] => {
    const { state, digest } = record.slots[slot];
    if (state !== "trial" && state !== "proven") return [];
    const { whole } = held[slot];
    return [
      ...(whole === undefined ? [`slot ${slot} is ${state} by the record, and its image is not whole`] : []),
      ...(whole !== undefined && digests.get(whole) !== digest
        ? [`slot ${slot} holds ${whole}, and the record has another digest`]
        : []),
      ...(state === "trial" && tries[slot] > FULL_TRIES.trial ? [`slot ${slot} is on trial and has ${tries[slot]} tries`] : []),
    ];
  };
  const { boots } = decision;
  return [
    ...SLOTS.flatMap(slotProblems),
    ...(boots === undefined ? ["nothing boots"] : []),
    ...(boots !== undefined && held[boots].whole === undefined ? [`${boots} boots, and its image is not whole`] : []),
  ];
}
