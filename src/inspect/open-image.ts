/** A system image opened for looking into it: nothing is mounted, and nobody has to be root. */
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { readRuns } from "../host/files.ts";
import { openImage, type ImageFile } from "../host/image-file.ts";
import type { Run } from "../host/run.ts";
import { sha256 } from "../host/sha256.ts";
import { toolFailed, type Caller, type Tools } from "../host/tools.ts";
import { workDir, type WorkDir } from "../host/work-dir.ts";
import { findInFat } from "../layout/fat.ts";
import { decodeGpt, type Partition } from "../layout/gpt.ts";
import { commandLineOfScript } from "../layout/grub-script.ts";
import { BOOT_FILES, SYSTEM_IMAGE_SECTOR, systemImageParts } from "../layout/system-image.ts";
import type { ImageReader } from "../release/image-reader.ts";
import type { Manifest } from "../release/manifest.ts";
import { findManifest } from "../release/verify-image.ts";
import { openImageTree, type ImageTree } from "./image-tree.ts";

/** What looking into an image needs of the machine. */
export interface InspectContext {
  /** The tools tree: asked for where the root file system is compressed. */
  readonly tools: () => Promise<Tools>;
  /** The one with rpm: asked for where an image has its database. */
  readonly containerTools: () => Promise<Tools>;
  readonly caller: Caller;
  readonly run: Run;
  readonly cacheFolder: string;
  readonly signal: AbortSignal | undefined;
}

export interface OpenedImage extends AsyncDisposable {
  readonly path: string;
  readonly manifest: Manifest;
  /** SHA-256 of the manifest. */
  readonly digest: string;
  /** The image's part of the kernel's command line. */
  readonly commandLine: string;
  readonly tree: ImageTree;
  /** A folder for intermediate files, removed with the image. */
  readonly work: () => Promise<string>;
}

/**
 * @throws AppError `IMAGE_INVALID`, `IMAGE_NEWER`, `IMAGE_FOREIGN`, `EROFS_INVALID`, `EROFS_UNSUPPORTED`; NodeJS.ErrnoException when `path` cannot be
 *   read
 */
export async function openSystemImage(path: string, context: InspectContext): Promise<OpenedImage> {
  const { caller, run, cacheFolder, signal } = context;
  await using stack = new AsyncDisposableStack();
  const file = stack.use(openImage(path));
  const reader: ImageReader = { size: file.size, read: async (at, length) => await Promise.resolve(file.read(at, length)) };
  const { manifest, digest } = await findManifest(reader, sha256);
  const parts = systemImageParts(decodeGpt(file.read, file.size, SYSTEM_IMAGE_SECTOR));
  let owner = stack;
  let made: Promise<WorkDir> | undefined;
  const work = async (): Promise<string> => {
    made ??= workDir(join(cacheFolder, "work"), caller, run).then((folder) => owner.use(folder));
    return (await made).path;
  };
  let extracted: Promise<string> | undefined;
  const tree = openImageTree({
    read: within(file, parts.root),
    signal,
    compressed: async function* (inside) {
      extracted ??= work().then(async (folder) => await extract(path, parts.root, join(folder, "root"), context));
      yield* readRuns(join(await extracted, inside), signal);
    },
  });
  const commandLine = commandLineOfScript(bootText(file, parts.boot, BOOT_FILES.config));
  const kept = stack.move();
  owner = kept;
  return { path, manifest, digest, commandLine, tree, work, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

/** A part of the file as if it were all there is. */
const within =
  ({ read }: ImageFile, { start, size }: Partition) =>
  (offset: number, length: number): Uint8Array =>
    read(start + offset, Math.max(0, Math.min(length, size - offset)));

function bootText(file: ImageFile, boot: Partition, name: string): string {
  const read = within(file, boot);
  const { size, extents } = findInFat(read, `/${name}`);
  if (size > 64 * 1024) throw new AppError("IMAGE_INVALID", `${name} of the image has ${size} bytes, which is too much`);
  return extents.map((extent) => Buffer.from(read(extent.start, extent.size)).toString()).join("");
}

/** All contents, as files of the caller. Needed only for what is compressed: fsck.erofs knows every algorithm. */
async function extract(path: string, root: Partition, folder: string, context: InspectContext): Promise<string> {
  const { signal } = context;
  const tools = await context.tools();
  const parent = join(folder, "..");
  const options = { binds: [{ source: path }, { source: parent, writable: true }], signal };
  const argv = ["fsck.erofs", `--offset=${root.start}`, `--extract=${folder}`, "--no-preserve", path] as const;
  await tools.run(argv, options).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw toolFailed("fsck.erofs", `${path}: its root file system could not be unpacked`, cause);
  });
  await tools.run(["chmod", "--recursive", "u+rwX", folder], options);
  return folder;
}
