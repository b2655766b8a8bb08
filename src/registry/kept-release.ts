/**
 * Documents of a release that lie on the machine beside what was downloaded of it: its index, manifest and list of segments, and who has signed it. With them it
 * can be judged and put together while its source does not answer. They are believed as little as those of a registry.
 */
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { removeFolder } from "../host/files.ts";
import { layoutStore } from "./layout-store.ts";
import { mirroredStore } from "./mirrored-store.ts";
import { findSignatures, openRelease, readSegments } from "./open-release.ts";
import { DIGEST } from "./reference.ts";
import type { ImageStore, StoreOptions } from "./store.ts";

/** Given when everything is there. */
const WHOLE = "whole";
/** Whoever may write to a registry must not fill a machine's partition: a release has some hundred KiB. */
const MOST: Bytes = 8 * MiB;

/**
 * Keeps them in place of those of another release.
 *
 * @param digest of the release's index
 * @throws AppError as {@link openRelease}, `RELEASE_TOO_LARGE`; NodeJS.ErrnoException: nothing is kept then
 */
export async function keepDocuments(
  store: ImageStore,
  digest: string,
  folder: string,
  options: StoreOptions & { readonly architecture: string },
): Promise<void> {
  if (await hasDocuments(folder, digest)) return;
  await removeFolder(folder);
  try {
    const kept = layoutStore(folder);
    const room = { left: MOST };
    const copying = keeping(store, kept, room);
    const found = await openRelease(copying, digest, options);
    await readSegments(copying, found, options);
    await findSignatures(copying, found.index, options);
    if (room.left < 0) throw tooLarge(store); // whoever looks for signatures passes over those that cannot be read
    const { descriptor, bytes } = await kept.getManifest(digest);
    await kept.putManifest(bytes, descriptor.mediaType, { ...options, tag: WHOLE });
  } catch (error) {
    await removeFolder(folder);
    throw error;
  }
}

/** @returns the same store, which is asked only for what of that release is not kept; where nothing of it is, as it was. Never throws. */
export async function withKeptDocuments(store: ImageStore, digest: string, folder: string): Promise<ImageStore> {
  if (!(await hasDocuments(folder, digest))) return store;
  const kept = layoutStore(folder);
  return {
    ...mirroredStore([kept], store),
    // What is not among them was not there, either; where they cannot be read, nobody knows.
    headManifest: async (...asked) => await kept.headManifest(...asked).catch(async () => await store.headManifest(...asked)),
    referrers: async (...asked) => await kept.referrers(...asked).catch(async () => await store.referrers(...asked)),
  };
}

async function hasDocuments(folder: string, digest: string): Promise<boolean> {
  const found = await layoutStore(folder)
    .headManifest(WHOLE)
    .catch(() => undefined);
  return found?.digest === digest;
}

const tooLarge = ({ origin }: ImageStore): AppError =>
  new AppError("RELEASE_TOO_LARGE", `${origin}: the release's documents have more than ${MOST} bytes`);

/** A store whose documents are kept as they are read. */
function keeping(store: ImageStore, kept: ImageStore, room: { left: Bytes }): ImageStore {
  const take = (bytes: Bytes): void => {
    room.left -= bytes;
    if (room.left < 0) throw tooLarge(store);
  };
  return {
    ...store,
    getManifest: async (reference, options) => {
      const found = await store.getManifest(reference, options);
      take(found.bytes.length);
      const named = DIGEST.test(reference) ? {} : { tag: reference };
      await kept.putManifest(found.bytes, found.descriptor.mediaType, { ...options, ...named });
      return found;
    },
    getBlob: async function* (descriptor, options) {
      take(descriptor.size);
      const bytes = Buffer.concat(await Array.fromAsync(store.getBlob(descriptor, options)));
      await kept.putBlob(descriptor, async function* () {
        yield bytes;
      });
      yield bytes;
    },
  };
}
