/** @portable Checks a whole system image, wherever it lies: docs/formats/system-image.md says what of it. */
import { hex, type Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { findInFat, type FatFileExtents } from "../layout/fat.ts";
import { decodeGpt, type DecodedGpt, type Partition } from "../layout/gpt.ts";
import { BOOT_FILES, SYSTEM_IMAGE_SECTOR, systemImageParts, type SystemImageParts } from "../layout/system-image.ts";
import { DamageFound, type Damage } from "./damage.ts";
import { MAX_READ, mediumError, pagedDecoding, type ImageReader } from "./image-reader.ts";
import { ARCHITECTURE, parseManifest, type Manifest } from "./manifest.ts";
import { VERITY_BLOCK, verifyRoot } from "./verify-root.ts";

export interface VerifyInput {
  readonly image: ImageReader;
  readonly sha256: Sha256;
  /** SHA-256 of the manifest that is expected, as the boot record holds it for a slot. Without it, an image that is whole is only that: whole. */
  readonly digest?: string | undefined;
  /** The `position` that an earlier, stopped check of this same image reported; the tables and boot files are checked again all the same. */
  readonly from?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Awaited after each run of at most 1 MiB: whoever wants to go slowly waits here. */
  readonly progress?: ((progress: VerifyProgress) => void | Promise<void>) | undefined;
}
export interface VerifyProgress {
  /** Of {@link total}; starts beyond the part that `from` leaves out. */
  readonly done: Bytes;
  /** The boot files and the root file system; the hash tree, less than a hundredth of that, is read along. */
  readonly total: Bytes;
  /** Data blocks of the root file system that are checked, from the first one on: to be handed in as `from`. */
  readonly position: number;
}
export type Verdict =
  /** `digest`: SHA-256 of the image's manifest. */
  { readonly ok: true; readonly digest: string } | { readonly ok: false; readonly damage: Damage };

/** A manifest is some 700 bytes, a list of sums 300. */
const MAX_TEXT: Bytes = 64 * 1024;

/**
 * Judges the image that `image` starts with, up to the first damage: partition table, manifest, boot files, then the root file system with its hash
 * tree. A sector that cannot be read is damage. Memory: less than 6 MiB and what the reader has.
 *
 * @throws AppError `IMAGE_NEWER` when the manifest is of a later format, which this version cannot judge; the signal's reason when aborted; what
 *   `read` rejects with, unless that is a medium error
 */
export async function verifyImage(input: VerifyInput): Promise<Verdict> {
  try {
    return { ok: true, digest: await verifyParts(input) };
  } catch (error) {
    if (error instanceof DamageFound) return { ok: false, damage: error.damage };
    throw error;
  }
}

/** The manifest of the image that `image` starts with, as far as its tables can be read; nothing says yet that the rest is what it describes. */
export interface FoundManifest {
  readonly manifest: Manifest;
  /** As they are stored. */
  readonly bytes: Uint8Array;
  /** Their SHA-256: which image it is. */
  readonly digest: string;
  /** Where they lie. */
  readonly parts: SystemImageParts<Partition>;
}

/**
 * @throws AppError `IMAGE_INVALID` when there is no manifest to be read, `IMAGE_NEWER`, `IMAGE_FOREIGN` for another processor; what `read` rejects with,
 *   unless that is a medium error
 */
export async function findManifest(image: ImageReader, sha256: Sha256): Promise<FoundManifest> {
  try {
    const { gpt, parts } = await readTable(image);
    const boot = bootPartition(image, parts.boot);
    const bytes = await boot.readText(await boot.find(BOOT_FILES.manifest), BOOT_FILES.manifest);
    const manifest = readManifest(bytes);
    checkTable(gpt, parts, manifest, "manifest");
    return { manifest, bytes, digest: hex(sha256.digest(bytes)), parts };
  } catch (error) {
    if (!(error instanceof DamageFound)) throw error;
    const { what } = error.damage;
    const known = "this is not a whole system image: ";
    throw new AppError("IMAGE_INVALID", what.startsWith(known) ? what : known + what, {
      hint: "Name a system image (.img) as `petrify build` makes it, not a disk.",
      cause: error,
    });
  }
}

async function verifyParts({ image: given, sha256, digest, from = 0, signal, progress }: VerifyInput): Promise<string> {
  const image: ImageReader = {
    size: given.size,
    read: async (offset, length) => {
      signal?.throwIfAborted();
      return await given.read(offset, length);
    },
  };
  const { gpt, parts } = await readTable(image);
  const boot = bootPartition(image, parts.boot);
  const [manifestFile, sumsFile] = [await boot.find(BOOT_FILES.manifest), await boot.find(BOOT_FILES.sums)];
  const files = {
    vmlinuz: await boot.find(BOOT_FILES.kernel),
    initrd: await boot.find(BOOT_FILES.initrd),
    "image.cfg": await boot.find(BOOT_FILES.config),
  } satisfies Record<keyof Manifest["boot"], FatFileExtents>;
  const blocks = parts.root.size / VERITY_BLOCK;
  const start = Number.isInteger(from) && from >= 0 && from <= blocks ? from : 0;
  const sizes = [manifestFile, sumsFile, ...Object.values(files)].map(({ size }) => size);
  const total = sizes.reduce((sum, size) => sum + size, parts.root.size);
  let done = start * VERITY_BLOCK;
  const advance = async (bytes: Bytes, position = start): Promise<void> => {
    done += bytes;
    await progress?.({ done, total, position });
  };

  const text = await boot.readText(manifestFile, BOOT_FILES.manifest);
  await advance(manifestFile.size);
  const found = hex(sha256.digest(text));
  if (digest !== undefined && found !== digest) {
    throw new DamageFound("manifest", "the manifest is not the one of the boot record: its digest is another");
  }
  const manifest = readManifest(text);
  checkTable(gpt, parts, manifest, digest === undefined ? "manifest" : "table");

  const sums = new TextDecoder().decode(await boot.readText(sumsFile, BOOT_FILES.sums));
  await advance(sumsFile.size);
  const lines = Object.entries(manifest.boot).map(([name, sum]) => `${sum}  ${name}`);
  if (!sums.endsWith("\n") || sums.slice(0, -1).split("\n").sort().join() !== lines.sort().join()) {
    throw new DamageFound("boot", `${BOOT_FILES.sums} does not say what the manifest says`);
  }
  for (const [name, file] of Object.entries(files)) {
    const state = sha256.stream();
    for await (const run of boot.runs(file, name)) {
      state.update(run);
      await advance(run.length);
    }
    if (hex(state.digest()) !== manifest.boot[name as keyof typeof files])
      throw new DamageFound("boot", `${name} is not the file of the manifest`);
  }

  let position = start;
  await verifyRoot({
    ...{ image, sha256, parts, manifest },
    from: start,
    checked: async (now) => {
      const bytes = (now - position) * VERITY_BLOCK;
      position = now;
      await advance(bytes, now);
    },
  });
  return found;
}

async function readTable(image: ImageReader): Promise<{ gpt: DecodedGpt; parts: SystemImageParts<Partition> }> {
  const decode = pagedDecoding(image);
  const found = await orDamage("table", async () => {
    const gpt = await decode((read) => decodeGpt(read, image.size, SYSTEM_IMAGE_SECTOR));
    return { gpt, parts: systemImageParts(gpt), first: await decode((read) => read(0, SYSTEM_IMAGE_SECTOR)) };
  });
  // Either copy would do for this reader, but GRUB takes the first one unseen, and only behind a protective MBR.
  if (found.gpt.damage !== undefined) throw new DamageFound("table", `a partition table is damaged: ${found.gpt.damage}`);
  const protective = [446, 462, 478, 494].some((entry) => found.first[entry + 4] === 0xee);
  if (!protective || found.first[510] !== 0x55 || found.first[511] !== 0xaa) {
    throw new DamageFound("table", "the partition table's protective MBR is damaged");
  }
  return found;
}

function checkTable(gpt: DecodedGpt, parts: SystemImageParts<Partition>, manifest: Manifest, part: "manifest" | "table"): void {
  try {
    systemImageParts(gpt, manifest.rootHash);
  } catch (error) {
    throw new DamageFound(part, (error as Error).message, { cause: error });
  }
  const sizes = { image: gpt.size, boot: parts.boot.size, root: parts.root.size, rootVerity: parts.verity.size };
  for (const [name, size] of Object.entries(sizes)) {
    const said = manifest.sizes[name as keyof typeof sizes];
    if (said !== size)
      throw new DamageFound(part, `${name} has ${size} bytes by the partition table, and ${said} by the manifest`);
  }
  if (parts.root.size % VERITY_BLOCK !== 0)
    throw new DamageFound(part, "the root partition does not end with a block of dm-verity");
  const { length } = manifest.veritySalt;
  if (length % 2 !== 0 || length > 512) throw new DamageFound(part, `the manifest's salt has ${length} digits`);
}

function readManifest(bytes: Uint8Array): Manifest {
  const text = new TextDecoder().decode(bytes);
  try {
    return parseManifest(text, "the image");
  } catch (error) {
    const { format, architecture } = headOf(text);
    if (typeof format === "number" && format > 1) {
      throw new AppError("IMAGE_NEWER", `the image's manifest has format ${format}, which this version does not know`, {
        hint: "Upgrade to an image in between first.",
        cause: error,
      });
    }
    if (format === 1 && typeof architecture === "string" && architecture !== ARCHITECTURE) {
      throw new AppError("IMAGE_FOREIGN", `the image is for ${architecture}, and this machine is ${ARCHITECTURE}`, {
        hint: "Take the image that was built for this processor.",
        cause: error,
      });
    }
    throw new DamageFound("manifest", (error as Error).message, { cause: error });
  }
}

function headOf(text: string): { readonly format?: unknown; readonly architecture?: unknown } {
  try {
    return (JSON.parse(text) as { format?: unknown; architecture?: unknown } | null) ?? {};
  } catch {
    return {}; // not JSON
  }
}

interface BootPartition {
  find(name: string): Promise<FatFileExtents>;
  /** Each in the reader's buffer. */
  runs(file: FatFileExtents, name: string): AsyncGenerator<Uint8Array>;
  readText(file: FatFileExtents, name: string): Promise<Uint8Array>;
}

function bootPartition(image: ImageReader, { start, size }: Partition): BootPartition {
  const volume: ImageReader = { size, read: async (offset, length) => await image.read(start + offset, length) };
  const decode = pagedDecoding(volume);
  const partOf = (name: string): Damage["part"] => (name === BOOT_FILES.manifest ? "manifest" : "boot");
  async function* runs({ extents }: FatFileExtents, name: string): AsyncGenerator<Uint8Array> {
    for (const extent of extents) {
      for (let done = 0; done < extent.size;) {
        const at = extent.start + done;
        const length = Math.max(0, Math.min(MAX_READ, extent.size - done, size - at));
        const run = await volume.read(at, length).catch((error: unknown) => {
          const code = mediumError(error);
          if (code === undefined) throw error;
          throw new DamageFound(partOf(name), `${name} cannot be read (${code})`, { cause: error });
        });
        if (run.length === 0) throw new DamageFound(partOf(name), `${name} reaches beyond the end of the boot partition`);
        yield run;
        done += run.length;
      }
    }
  }
  return {
    find: async (name) => {
      const missing = (error: AppError) => (error.code === "FAT_FILE_MISSING" ? partOf(name) : "boot");
      return await orDamage("boot", async () => await decode((read) => findInFat(read, `/${name}`)), missing);
    },
    runs,
    readText: async (file, name) => {
      if (file.size > MAX_TEXT) throw new DamageFound(partOf(name), `${name} has ${file.size} bytes, which is too much`);
      const bytes = new Uint8Array(file.size);
      let done = 0;
      for await (const run of runs(file, name)) {
        bytes.set(run, done);
        done += run.length;
      }
      return bytes;
    },
  };
}

/** Decoders throw AppErrors about what they read, and pass on what the reader threw. */
async function orDamage<T>(
  part: "boot" | "table",
  body: () => Promise<T>,
  partOf: (error: AppError) => Damage["part"] = () => part,
): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof AppError) throw new DamageFound(partOf(error), error.message, { cause: error });
    const code = mediumError(error);
    if (code === undefined) throw error;
    const where = part === "table" ? "the partition table" : "the boot partition's tables";
    throw new DamageFound(part, `${where} cannot be read (${code})`, { cause: error });
  }
}
