/** Safety measures left out: what the tests switch off, to see that the matrix notices. The code that is tested knows nothing of it. */
import { constants } from "node:fs";
import { open, readFile, rename, type FileHandle } from "node:fs/promises";
import { dlopen } from "node:ffi";
import type { AgentPorts } from "../../../src/agent/ports.ts";
import { writeRelease } from "../../../src/agent/registry-image.ts";
import type { TrustStore } from "../../../src/agent/trust-store.ts";
import type { BootRecordStore } from "../../../src/host/boot-record.ts";
import { fileExtents } from "../../../src/host/file-extents.ts";
import { openDirect } from "../../../src/host/direct-read.ts";
import { openDirectWriter } from "../../../src/host/direct-write.ts";
import { zstdUnpack, zstdUnpackPieces } from "../../../src/host/zstd.ts";
import { layoutStore } from "../../../src/registry/layout-store.ts";
import { parseReference } from "../../../src/registry/reference.ts";
import { syncDirectory } from "../../../src/host/replace-file.ts";
import { IMAGES_FOLDER } from "../../../src/layout/fstab.ts";
import type { ResetDisk } from "../../../src/agent/reset-disk.ts";
import { NEW_IMAGE, type Lab } from "./lab.ts";

type Images = AgentPorts["images"];

/** Carries something out while no file is flushed. */
export async function withoutFlush<T>(body: () => Promise<T>): Promise<T> {
  await using any = await open("/proc/self/exe", "r");
  const prototype = Object.getPrototypeOf(any) as FileHandle;
  const sync = Object.getOwnPropertyDescriptor(prototype, "sync")!;
  prototype.sync = async () => {};
  try {
    return await body();
  } finally {
    Object.defineProperty(prototype, "sync", sync);
  }
}

export function faultyRecord(lab: Lab, record: BootRecordStore): BootRecordStore {
  const change: BootRecordStore["change"] = async (decide) => await record.change(decide);
  if (lab.without.has("record-flush")) {
    return { ...record, change: async (decide) => await withoutFlush(async () => await change(decide)) };
  }
  if (lab.without.has("record-first")) {
    return {
      ...record,
      change: async (decide) => {
        const wanted = decide(await record.read());
        if (wanted.tries) await change(() => ({ tries: wanted.tries! }));
        return await change(() => (wanted.record ? { record: wanted.record } : {}));
      },
    };
  }
  if (lab.without.has("empty-mark")) {
    return {
      ...record,
      change: async (decide) => {
        const facts = await record.read();
        const wanted = decide(facts).record;
        if (facts.found.is !== "whole" || wanted?.slots.b.state !== "empty") return await change(decide);
        // What it would be, to whoever asked.
        return { found: { ...facts.found, record: wanted }, tries: facts.tries && { a: facts.tries.a, b: 0 } };
      },
    };
  }
  return record;
}

/** Says when keys have been kept. */
export function faultyTrust(lab: Lab, trust: TrustStore): TrustStore {
  const keep: TrustStore["keep"] = async (keys) => {
    await trust.keep(keys);
    await lab.mark(`done trust ${keys.epoch}`);
  };
  return { ...trust, keep: lab.without.has("kept-keys") ? async () => {} : keep };
}

/** Says when the order has been stored, and what has been wiped. */
export function faultyReset(lab: Lab, disk: ResetDisk): ResetDisk {
  const give: ResetDisk["give"] = async (order) => {
    await lab.mark(`begin order ${order?.at ?? "none"}`);
    if (lab.without.has("written-note") && order?.at === "written") return;
    await disk.give(order);
    await lab.mark(`done order ${order?.at ?? "none"}`);
  };
  return {
    ...disk,
    give,
    wipe: async (partition, signal) => {
      if (lab.without.has("wipe") && partition === "persistent") return;
      await disk.wipe(partition, signal);
      await lab.mark(`wiped ${partition}`);
    },
  };
}

export function withFaults(lab: Lab, work: Pick<AgentPorts, "images" | "verify">): Pick<AgentPorts, "images" | "verify"> {
  const { images } = work;
  const corrupts = lab.without.has("sound-medium");
  return {
    ...work,
    images: {
      ...images,
      write: async (job, written, signal) => {
        if (lab.without.has("place-check")) return await believePlace(lab, job, written);
        if (lab.without.has("fixed-place")) {
          await replaceByName(job.source as { readonly path: string });
          return {};
        }
        const done = await images.write(job, written, signal);
        if (corrupts) await flipBit(lab);
        return done;
      },
      verify: async (...what) => (lab.without.has("read-back") ? {} : await images.verify(...what)),
    },
  };
}

/** Takes everything that the slot should have for what it has: nothing is left to be written but the hash tree. */
async function believePlace(lab: Lab, job: Parameters<Images["write"]>[0], told: Parameters<Images["write"]>[1]) {
  if (job.source.is !== "registry") throw new Error("it is a release that is written");
  const reference = parseReference(job.source.reference);
  if (reference.kind !== "layout") throw new Error("the lab has its releases in a folder");
  const { extents } = await fileExtents(`${IMAGES_FOLDER}/${job.place}.img`);
  await using writer = await openDirectWriter(lab.device("state"), extents);
  await using image = await openDirect(NEW_IMAGE);
  const downloaded = await writeRelease({
    ...{ store: layoutStore(reference.folder), reference, digest: job.image.digest, running: undefined },
    ...{ place: image, writer, unpack: zstdUnpack, unpackPieces: zstdUnpackPieces, turn: async () => {} },
    written: (written) => told({ written }),
    way: (way) => told({ way }),
  });
  return { downloaded };
}

/** A medium that has not kept what was written to it: in the root file system, which the loader does not look at. */
async function flipBit(lab: Lab): Promise<void> {
  const [extent] = (await fileExtents(`${IMAGES_FOLDER}/b.img`)).extents;
  await using device = await open(lab.device("state"), constants.O_RDWR | constants.O_SYNC);
  const byte = new Uint8Array(1);
  const at = extent!.start + 2 * 1024 * 1024 + 100_000;
  await device.read(byte, 0, 1, at);
  byte[0]! ^= 4;
  await device.write(byte, 0, 1, at);
}

/** What programs usually do: another file, its data flushed, then the name; the file system is mounted for writing. */
async function replaceByName({ path }: { readonly path: string }): Promise<void> {
  const { mount } = dlopen("libc.so.6", {
    mount: { arguments: ["string", "string", "string", "u64", "string"], return: "i32" },
  }).functions;
  const REMOUNT = 32n;
  if (mount("", IMAGES_FOLDER, "", REMOUNT, "") !== 0) throw new Error("the images cannot be made writable");
  {
    await using file = await open(`${IMAGES_FOLDER}/new.img`, "w");
    await file.writeFile(await readFile(path));
    await file.truncate(8 * 1024 * 1024);
    await file.sync();
  }
  await rename(`${IMAGES_FOLDER}/new.img`, `${IMAGES_FOLDER}/b.img`);
  await syncDirectory(IMAGES_FOLDER);
}
