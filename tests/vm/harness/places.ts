import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bytes } from "../../../src/core/units.ts";
import { openImage } from "../../../src/host/image-file.ts";
import { findInFat } from "../../../src/layout/fat.ts";
import type { Patch } from "../../../src/layout/patch.ts";
import { decodeGpt, type Partition } from "../../../src/layout/gpt.ts";
import { IMAGE_FILES, TRIES_FILE } from "../../../src/layout/disk.ts";
import {
  firstRecord,
  newestRecord,
  RECORD_BLOCK_SIZE,
  RECORD_COPY_OFFSETS,
  type BootRecord,
} from "../../../src/layout/record.ts";
import { encodeTries, type Tries } from "../../../src/layout/tries.ts";
import type { Fixture } from "./fixture.ts";

const BLOCK: Bytes = 4096;
/** By the names of a FAT without its long ones. */
const BOOT = { vmlinuz: "vmlinuz", initrd: "initrd", "image.cfg": "image.cfg", SHA256SUMS: "SHA256~1" } as const;
export type BootFile = keyof typeof BOOT;
type ImagePart = "boot" | "root" | "root-verity";

/** Where things are on a fixture's disk, in bytes from its start. */
export interface Places {
  partition(name: string): Partition;
  /** A partition of the image that a slot or recovery file holds. */
  part(image: keyof typeof IMAGE_FILES, name: ImagePart): { readonly start: Bytes; readonly size: Bytes };
  /** In the middle of a file of the boot partition. */
  bootFile(image: keyof typeof IMAGE_FILES, name: BootFile): Bytes;
  /** At the start of a file of the root file system. */
  rootFile(image: keyof typeof IMAGE_FILES, path: string): Bytes;
  /** The file of the efi partition that GRUB counts tries in. */
  tries(): Bytes;
  /** The byte there with one bit changed. */
  flip(offset: Bytes): Patch;
  /** Another boot record in place of the fixture's. */
  record(change: (record: BootRecord) => BootRecord, tries: Tries): readonly Patch[];
}

export async function placesOf({ host: { tools }, image, disk }: Fixture, rootFiles: readonly string[]): Promise<Places> {
  using inner = openImage(image);
  const { partitions: parts } = decodeGpt(inner.read, inner.size, 512);
  using outer = openImage(disk);
  const { partitions } = decodeGpt(outer.read, outer.size, 512);
  const partition = (name: string): Partition =>
    found(
      partitions.find((p) => p.name === name),
      name,
    );
  const partOf = (name: ImagePart): Partition =>
    found(
      parts.find((p) => p.name === name),
      name,
    );

  const starts = new Map<keyof typeof IMAGE_FILES, Bytes>();
  for (const [name, path] of Object.entries(IMAGE_FILES) as [keyof typeof IMAGE_FILES, string][]) {
    const base = partition(name.length === 1 ? "state" : "recovery").start;
    const { stdout } = await tools.run(["debugfs", "-R", `bmap ${path} 0`, `${disk}?offset=${base}`], {
      binds: [{ source: disk }],
    });
    starts.set(name, base + Number(stdout.trim()) * BLOCK);
  }
  const boot = partOf("boot");
  const inBoot = (name: string): Bytes => {
    const { size, extents } = findInFat((offset, length) => inner.read(boot.start + offset, length), `/${name}`);
    const place = extents.find((extent) => extent.size > size / 2)!; // a file in one piece has one extent
    return boot.start + place.start + Math.floor(size / 2);
  };
  const bootFiles = Object.fromEntries((Object.keys(BOOT) as BootFile[]).map((name) => [name, inBoot(BOOT[name])])) as Record<
    BootFile,
    Bytes
  >;
  const root = partOf("root");
  const inRoot = new Map<string, Bytes>();
  for (const path of rootFiles) {
    const argv = ["dump.erofs", `--offset=${root.start}`, `--path=${path}`, "-e", image] as const;
    const { stdout } = await tools.run([...argv], { binds: [{ source: image }] });
    const start = /^\s*0:\s+0\.\.\s*\d+ \|\s*\d+ :\s*(\d+)\.\./m.exec(stdout)?.[1];
    inRoot.set(path, root.start + Number(found(start, `an extent of ${path} in ${stdout}`)));
  }
  const efi = partition("efi");
  const tries = findInFat((offset, length) => outer.read(efi.start + offset, length), TRIES_FILE).extents[0]!.start;
  const at = (name: keyof typeof IMAGE_FILES, offset: Bytes): Bytes => found(starts.get(name), name) + offset;
  return {
    partition,
    part: (name, part) => ({ start: at(name, partOf(part).start), size: partOf(part).size }),
    bootFile: (name, file) => at(name, bootFiles[file]),
    rootFile: (name, path) => at(name, found(inRoot.get(path), path)),
    tries: () => efi.start + tries,
    flip: (offset) => {
      using file = openImage(disk);
      return { offset, data: Uint8Array.of(file.read(offset, 1)[0]! ^ 0x10) };
    },
    record: (change, left) => {
      using file = openImage(disk);
      const { start } = partition("record");
      const [one, two] = RECORD_COPY_OFFSETS.map((offset) => file.read(start + offset, RECORD_BLOCK_SIZE));
      const { newest } = newestRecord([one, two]);
      assert.ok(newest.is === "whole");
      const copies = firstRecord(change(newest.record)).map(({ offset, data }) => ({ offset: start + offset, data }));
      return [...copies, { offset: efi.start + tries, data: encodeTries(left) }];
    },
  };
}

/** The content of a file of a FAT file system; `source` as mtools names it. */
export async function copyOut(tools: Fixture["host"]["tools"], source: string, name: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "petrify-places-"));
  try {
    const binds = [{ source: source.replace(/@@\d+$/, "") }, { source: folder, target: "/tmp/out", writable: true }];
    await tools.run(["mcopy", "-i", source, `::${name}`, "/tmp/out/file"], { binds });
    return await readFile(join(folder, "file"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function found<T>(value: T | undefined, what: string): T {
  assert.ok(value !== undefined, `there is no ${what}`);
  return value;
}
