import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { writingTo } from "../host/disk-full.ts";
import { fileExists, fileSize, makeFolder, removeFile, syncFile } from "../host/files.ts";
import { takeLock } from "../host/lock-file.ts";
import { partialFile } from "../host/partial-file.ts";
import { replaceFile, syncDirectory } from "../host/replace-file.ts";
import { kindOf, readStream, writeStream } from "../host/stream-file.ts";
import { wait } from "../host/wait.ts";
import { blobPath, INDEX_FILE, LAYOUT_FILE, OCI_MEDIA } from "../layout/oci-image.ts";
import { asReferrer, parseManifestHead, type Descriptor, type Index } from "./documents.ts";
import { storeError, type StoreError } from "./errors.ts";
import { compared, isNamed, layoutReader, REF_NAME, type LayoutFile } from "./layout-reader.ts";
import { LARGEST_MANIFEST, type ImageStore } from "./store.ts";

const LOCK_POLL_MS = 50;
const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/**
 * A folder with an OCI image layout; it is made by what is first put into it. Source: OCI Image Format Specification 1.1, "Image Layout"
 *
 * Each file appears whole or not at all, the index last and under a lock: several may push at once, and a power cut leaves what was there before, or all of
 * the new. Referrers are in the index without a tag, as oras and others have them.
 */
export function layoutStore(folder: string, origin = `oci:${folder}`): ImageStore {
  const pathOf = (digest: string): string => join(folder, blobPath(digest));
  const { index, ...reads } = layoutReader(origin, { find: async (name) => await fileIn(join(folder, name)) }, "folder");
  const writing = new Map<string, Promise<unknown>>();

  /** One after the other for each digest: two that write the same file at once have one name for it while it is not whole. */
  const alone = async <T>(digest: string, work: () => Promise<T>): Promise<T> => {
    const before = writing.get(digest);
    const going = (async () => {
      await before?.catch(() => {}); // it is for whoever asked
      return await work();
    })();
    writing.set(digest, going);
    try {
      return await going;
    } finally {
      if (writing.get(digest) === going) writing.delete(digest);
    }
  };

  /** Puts a file where its digest says, once it is known that it is the one. */
  const place = async (
    { digest, size }: Pick<Descriptor, "digest" | "size">,
    bytes: AsyncIterable<Uint8Array>,
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    const path = pathOf(digest);
    await writingTo(folder, async () => {
      signal?.throwIfAborted();
      await makeFolder(dirname(path));
      await using partial = await partialFile(path, 0);
      const refused = (why: string): StoreError => storeError("REGISTRY_REFUSED", origin, `blob ${digest} ${why}`);
      await writeStream(partial.path, compared({ digest, size }, bytes, refused), signal).catch((error: unknown) => {
        signal?.throwIfAborted();
        throw error;
      });
      await syncFile(partial.path);
      await partial.finish();
      await syncDirectory(dirname(path));
    });
    signal?.throwIfAborted();
  };

  const changeIndex = async (change: (was: Index) => Index, signal: AbortSignal | undefined): Promise<void> => {
    await writingTo(folder, async () => {
      const path = join(folder, `${INDEX_FILE}.lock`);
      await using _ = await locked(path, signal);
      try {
        const mark = join(folder, LAYOUT_FILE.name);
        if (!(await fileExists(mark))) await replaceFile(mark, LAYOUT_FILE.text);
        await replaceFile(join(folder, INDEX_FILE), `${JSON.stringify(change(await index()))}\n`);
      } finally {
        await removeFile(path); // while it is locked: whoever waits for it sees that it is gone
      }
    });
  };

  return {
    origin,
    ...reads,
    putManifest: async (bytes, mediaType, { tag, signal } = {}) => {
      const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length };
      const head = parseManifestHead(bytes, `${origin}: manifest ${descriptor.digest}`);
      if (bytes.length > LARGEST_MANIFEST)
        throw storeError("REGISTRY_REFUSED", origin, `a manifest of ${bytes.length} bytes is more than stores take`);
      const once = async function* (): AsyncGenerator<Uint8Array> {
        yield bytes;
      };
      await alone(descriptor.digest, async () => await place(descriptor, once(), signal));
      if (tag === undefined && !head.subject) {
        if (!(await fileExists(join(folder, INDEX_FILE)))) await changeIndex((was) => was, signal);
        return descriptor;
      }
      await changeIndex((was) => {
        const others = was.manifests.filter((entry) =>
          tag === undefined ? entry.digest !== descriptor.digest || hasName(entry) : !isNamed(entry, tag),
        );
        const listed = head.subject ? asReferrer(descriptor, head) : descriptor;
        const name = tag === undefined ? {} : { annotations: { ...(head.subject ? head.annotations : {}), [REF_NAME]: tag } };
        return { ...was, mediaType: OCI_MEDIA.index, manifests: [...others, { ...listed, ...name }] };
      }, signal);
      return descriptor;
    },
    putBlob: async (descriptor, source, { signal } = {}) => {
      const { digest, size } = descriptor;
      const path = pathOf(digest);
      return await alone(digest, async () => {
        if ((await kindOf(path)) === "file" && (await fileSize(path)) === size) return "was-there";
        await place(descriptor, source(0), signal);
        return "sent";
      });
    },
  };
}

const hasName = ({ annotations }: Descriptor): boolean => annotations?.[REF_NAME] !== undefined;
/** A file as it is read now. */
export async function fileIn(path: string): Promise<LayoutFile | "other" | undefined> {
  const kind = await kindOf(path);
  if (kind !== "file") return kind && "other";
  return { size: await fileSize(path), read: ({ start, length }) => readStream(path, { start, length }) };
}

/** Waits for a lock. @throws the signal's reason */
export async function locked(path: string, signal: AbortSignal | undefined): Promise<AsyncDisposable> {
  for (;;) {
    const lock = await takeLock(path);
    if (lock) return lock;
    await wait(LOCK_POLL_MS, signal ?? new AbortController().signal);
  }
}
