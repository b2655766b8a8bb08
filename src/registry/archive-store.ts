import { dirname, join } from "node:path";
import { writingTo } from "../host/disk-full.ts";
import { fileSize, listFolder, makeFolder, readBytes, removeFile, removeFolder, syncFile } from "../host/files.ts";
import { partialFile } from "../host/partial-file.ts";
import { replaceFile, syncDirectory } from "../host/replace-file.ts";
import { kindOf, readStream, writeStream } from "../host/stream-file.ts";
import { INDEX_FILE, LAYOUT_FILE } from "../layout/oci-image.ts";
import { encodeTarHeader, TAR_END, tarPadding } from "../layout/tar-entry.ts";
import { invalidAnswer } from "./errors.ts";
import { layoutReader, type LayoutFile } from "./layout-reader.ts";
import { fileIn, layoutStore, locked } from "./layout-store.ts";
import type { ImageStore } from "./store.ts";
import { indexTar, type Place } from "./tar-index.ts";

const BLOB = /^blobs\/[a-z0-9]+\/[0-9a-f]{32,128}$/;

/** What is written and not yet in the archive; others that write wait until it is. */
interface Staging {
  readonly store: ImageStore;
  readonly lock: AsyncDisposable;
}

/**
 * A tar of an OCI image layout, read in place: nothing is unpacked.
 *
 * What is put there lies in a folder beside it until a manifest gets a tag: then the archive is written anew, with all of it, and takes the place of the old
 * one whole. What never leads to a tag is not in the archive, and goes away when the next one writes to it.
 */
export function archiveStore(file: string): ImageStore {
  const origin = `oci-archive:${file}`;
  const folder = `${file}.new`;
  const lockPath = `${file}.lock`;
  let known: { readonly size: number; readonly places: Promise<ReadonlyMap<string, Place>> } | undefined;
  let staging: Promise<Staging> | undefined;

  const places = async (): Promise<ReadonlyMap<string, Place>> => {
    const kind = await kindOf(file);
    if (kind === undefined) return new Map();
    if (kind !== "file") throw invalidAnswer(origin, "is not a file");
    const size = await fileSize(file);
    if (known?.size !== size) known = { size, places: indexTar(file, origin) };
    return await known.places;
  };
  const inArchive = async (name: string): Promise<LayoutFile | undefined> => {
    const place = (await places()).get(name);
    return place && { size: place.size, read: ({ start, length }) => readStream(file, { start: place.start + start, length }) };
  };
  const find = async (name: string): Promise<LayoutFile | "other" | undefined> => {
    if (staging) {
      await staging;
      const staged = await fileIn(join(folder, name));
      if (staged) return staged;
    }
    return await inArchive(name);
  };
  const { index: _, ...reads } = layoutReader(origin, { find }, "archive");

  const begin = async (signal: AbortSignal | undefined): Promise<Staging> => {
    await makeFolder(dirname(file));
    const lock = await locked(lockPath, signal);
    try {
      await removeFolder(folder); // of somebody who was stopped
      known = undefined;
      const index = await inArchive(INDEX_FILE);
      await makeFolder(folder);
      if (index) {
        const bytes = await Array.fromAsync(index.read({ start: 0, length: index.size }));
        await replaceFile(join(folder, INDEX_FILE), Buffer.concat(bytes));
      }
      return { lock, store: layoutStore(folder, origin) };
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  };
  const staged = async (signal: AbortSignal | undefined): Promise<ImageStore> => {
    staging ??= begin(signal).catch((error: unknown) => {
      staging = undefined;
      throw error;
    });
    return (await staging).store;
  };

  /** The archive anew, with everything that is staged. */
  const commit = async (signal: AbortSignal | undefined): Promise<void> => {
    const { lock } = await staging!;
    const blobs = new Map<string, LayoutFile>();
    for (const name of (await places()).keys()) if (BLOB.test(name)) blobs.set(name, (await inArchive(name))!);
    const kept = join(folder, "blobs/sha256");
    for (const name of (await kindOf(kept)) === "folder" ? await listFolder(kept) : []) {
      const blob = await fileIn(join(kept, name));
      if (BLOB.test(`blobs/sha256/${name}`) && blob && blob !== "other") blobs.set(`blobs/sha256/${name}`, blob);
    }
    const index = await readBytes(join(folder, INDEX_FILE));
    await writingTo(file, async () => {
      await using partial = await partialFile(file, 0);
      await writeStream(partial.path, tarOf(index, blobs), signal).catch((error: unknown) => {
        signal?.throwIfAborted();
        throw error;
      });
      await syncFile(partial.path);
      signal?.throwIfAborted();
      await partial.finish();
      await syncDirectory(dirname(file));
    });
    known = undefined;
    staging = undefined;
    await removeFolder(folder);
    await removeFile(lockPath); // while it is locked: whoever waits for it sees that it is gone
    await lock[Symbol.asyncDispose]();
  };

  /** One after the other: what is staged while an archive is written would not be in it. */
  let turn: Promise<unknown> = Promise.resolve();
  const alone = async <T>(work: () => Promise<T>): Promise<T> => {
    const before = turn;
    const going = (async () => {
      await before.catch(() => {}); // it is for whoever asked
      return await work();
    })();
    turn = going;
    return await going;
  };

  return {
    origin,
    ...reads,
    putManifest: async (bytes, mediaType, options = {}) =>
      await alone(async () => {
        const descriptor = await (await staged(options.signal)).putManifest(bytes, mediaType, options);
        if (options.tag !== undefined) await commit(options.signal);
        return descriptor;
      }),
    putBlob: async (descriptor, source, options = {}) =>
      await alone(async () => {
        if (await reads.hasBlob(descriptor)) return "was-there";
        return await (await staged(options.signal)).putBlob(descriptor, source, options);
      }),
  };
}

/** In one form: the same content is the same bytes. */
async function* tarOf(index: Uint8Array, blobs: ReadonlyMap<string, LayoutFile>): AsyncGenerator<Uint8Array> {
  const common = { target: "", uid: 0, gid: 0, mtime: 0, device: [0, 0], attributes: [] } as const;
  const header = (name: string, size: number): Uint8Array =>
    encodeTarHeader({ ...common, type: "file", mode: 0o644, name, size });
  const small = (name: string, bytes: Uint8Array): Uint8Array[] => [header(name, bytes.length), bytes, tarPadding(bytes.length)];
  yield* small(LAYOUT_FILE.name, new TextEncoder().encode(LAYOUT_FILE.text));
  yield* small(INDEX_FILE, index);
  for (const [name, { size, read }] of [...blobs].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    yield header(name, size);
    let at = 0;
    for await (const piece of read({ start: 0, length: size })) {
      at += piece.length;
      yield piece;
    }
    if (at !== size) throw new Error(`${name} has ${at} bytes by now and not ${size}`);
    yield tarPadding(size);
  }
  yield TAR_END;
}
