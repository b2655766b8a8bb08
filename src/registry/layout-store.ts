import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { Bytes } from "../core/units.ts";
import { writingTo } from "../host/disk-full.ts";
import { fileExists, fileSize, makeFolder, readBytes, removeFile, syncFile } from "../host/files.ts";
import { takeLock } from "../host/lock-file.ts";
import { partialFile } from "../host/partial-file.ts";
import { replaceFile, syncDirectory } from "../host/replace-file.ts";
import { kindOf, readStream, writeStream } from "../host/stream-file.ts";
import { wait } from "../host/wait.ts";
import { blobPath, INDEX_FILE, LAYOUT_FILE, OCI_MEDIA } from "../layout/oci-image.ts";
import { asReferrer, parseIndex, parseManifestHead, type Descriptor, type Index } from "./documents.ts";
import { invalidAnswer, storeError, type StoreError } from "./errors.ts";
import { DIGEST, TAG } from "./reference.ts";
import { checkedRange, LARGEST_MANIFEST, type ImageStore, type StoreOptions } from "./store.ts";

const REF_NAME = "org.opencontainers.image.ref.name";
const LOCK_POLL_MS = 50;
const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/**
 * A folder with an OCI image layout; it is made by what is first put into it. Source: OCI Image Format Specification 1.1, "Image Layout"
 *
 * Each file appears whole or not at all, the index last and under a lock: several may push at once, and a power cut leaves what was there before, or all of
 * the new. Referrers are in the index without a tag, as oras and others have them.
 */
export function layoutStore(folder: string): ImageStore {
  const origin = `oci:${folder}`;
  const pathOf = (digest: string): string => join(folder, blobPath(digest));
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

  /** @returns nothing where there is no such file @throws StoreError where something else is in its place, or more */
  const small = async (name: string): Promise<Uint8Array | undefined> => {
    const path = join(folder, name);
    const kind = await kindOf(path);
    if (kind === undefined) return undefined;
    if (kind !== "file") throw invalidAnswer(origin, `${name} is not a file`);
    const size = await fileSize(path);
    if (size > LARGEST_MANIFEST) throw invalidAnswer(origin, `${name} has ${size} bytes, and up to ${LARGEST_MANIFEST} are read`);
    return await readBytes(path);
  };

  const index = async (): Promise<Index> => {
    const bytes = await small(INDEX_FILE);
    return bytes ? parseIndex(bytes, `${origin}: ${INDEX_FILE}`) : { schemaVersion: 2, manifests: [] };
  };

  const manifestAt = async (digest: string, size: Bytes | undefined): Promise<Uint8Array | undefined> => {
    const bytes = await small(blobPath(digest));
    if (!bytes) return undefined;
    if (size !== undefined && size !== bytes.length)
      throw invalidAnswer(origin, `manifest ${digest} has ${bytes.length} bytes and not ${size}`);
    const found = sha256(bytes);
    if (found !== digest) throw invalidAnswer(origin, `manifest ${digest} has other bytes: their digest is ${found}`);
    return bytes;
  };

  const find = async (
    reference: string,
  ): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array } | undefined> => {
    const { manifests } = await index();
    const byDigest = DIGEST.test(reference);
    const entries = manifests.filter((entry) => (byDigest ? entry.digest === reference : isNamed(entry, reference)));
    if (new Set(entries.map(({ digest }) => digest)).size > 1)
      throw invalidAnswer(origin, `has several manifests with the tag ${reference}`);
    const [entry] = entries;
    if (!entry && !byDigest) return undefined;
    const digest = entry?.digest ?? reference;
    const bytes = await manifestAt(digest, entry?.size);
    if (!bytes) {
      if (entry) throw invalidAnswer(origin, `lacks manifest ${digest}, which its index names`);
      return undefined;
    }
    const head = parseManifestHead(bytes, `${origin}: manifest ${digest}`);
    const mediaType = head.mediaType ?? entry?.mediaType ?? (head.config ? OCI_MEDIA.manifest : OCI_MEDIA.index);
    if (entry && entry.mediaType !== mediaType)
      throw invalidAnswer(origin, `manifest ${digest} is listed as ${entry.mediaType} and says that it is ${mediaType}`);
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
  };

  /** @returns the path of a blob that has its size @throws StoreError */
  const blobAt = async ({ digest, size }: Pick<Descriptor, "digest" | "size">): Promise<string> => {
    const path = pathOf(digest);
    if ((await kindOf(path)) !== "file")
      throw storeError("REGISTRY_NOT_FOUND", origin, `blob ${digest} is not there`, "Copy the folder again.");
    const found = await fileSize(path);
    if (found !== size) throw invalidAnswer(origin, `blob ${digest} has ${found} bytes and not ${size}`);
    return path;
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
    headManifest: async (reference) => (await find(reference))?.descriptor,
    getManifest: async (reference) => {
      const found = await find(reference);
      if (found) return found;
      throw storeError("REGISTRY_NOT_FOUND", origin, `manifest ${reference} is not there`, "Check the folder and the tag.");
    },
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
    async *tags() {
      const names = (await index()).manifests
        .map(({ annotations }) => annotations?.[REF_NAME])
        .filter((name) => name !== undefined);
      yield* new Set(names.map((name) => name.slice(name.lastIndexOf(":") + 1)).filter((name) => TAG.test(name)));
    },
    hasBlob: async ({ digest, size }) => {
      const path = pathOf(digest);
      if ((await kindOf(path)) !== "file") return false;
      return (await fileSize(path)) === size; // one that was cut off is written anew
    },
    async *getBlob({ digest, size }, { have, signal }: StoreOptions & { readonly have?: AsyncIterable<Uint8Array> } = {}) {
      const path = await blobAt({ digest, size });
      const wrong = (why: string): StoreError => invalidAnswer(origin, `blob ${digest} ${why}`);
      const hash = createHash("sha256");
      let start = 0;
      for await (const piece of have ?? []) {
        hash.update(piece);
        start += piece.length;
      }
      if (start > size) throw wrong(`has ${size} bytes, and ${start} are there already`);
      const rest = readStream(path, { start, length: size - start }); // its own errors would hide why it was aborted
      for await (const piece of compared({ digest, size }, rest, wrong, { hash, at: start })) {
        signal?.throwIfAborted();
        yield piece;
      }
      signal?.throwIfAborted();
    },
    async *readBlob(descriptor, range, { signal } = {}) {
      const { start, end } = checkedRange(descriptor, range);
      const path = await blobAt(descriptor);
      let at = start;
      for await (const piece of readStream(path, { start, length: end - start })) {
        signal?.throwIfAborted();
        at += piece.length;
        yield piece;
      }
      signal?.throwIfAborted();
      if (at < end) throw invalidAnswer(origin, `blob ${descriptor.digest} ends after ${at} of its ${descriptor.size} bytes`);
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
    referrers: async (digest, { artifactType, signal } = {}) => {
      const found = new Map<string, Descriptor>();
      for (const { digest: one, size } of (await index()).manifests) {
        signal?.throwIfAborted();
        const bytes = await manifestAt(one, size);
        const head = bytes && parseManifestHead(bytes, `${origin}: manifest ${one}`);
        if (!head || head.subject?.digest !== digest) continue;
        const mediaType = head.mediaType ?? (head.config ? OCI_MEDIA.manifest : OCI_MEDIA.index);
        const referrer = asReferrer({ mediaType, digest: one, size }, head);
        if (artifactType === undefined || referrer.artifactType === artifactType) found.set(one, referrer);
      }
      return [...found.values()];
    },
  };
}

const hasName = ({ annotations }: Descriptor): boolean => annotations?.[REF_NAME] !== undefined;
/** `v1` means v1 and every NAME:v1, as some tools write it. */
const isNamed = ({ annotations }: Descriptor, tag: string): boolean => {
  const name = annotations?.[REF_NAME];
  return name === tag || (name?.endsWith(`:${tag}`) ?? false);
};

/** Passes bytes on, no more than there may be, and throws at the end where they are others. */
async function* compared(
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  bytes: AsyncIterable<Uint8Array>,
  wrong: (why: string) => Error,
  { hash, at: start } = { hash: createHash("sha256"), at: 0 },
): AsyncGenerator<Uint8Array> {
  let at = start;
  for await (const piece of bytes) {
    at += piece.length;
    if (at > size) throw wrong(`has more than its ${size} bytes`);
    hash.update(piece);
    yield piece;
  }
  if (at < size) throw wrong(`ends after ${at} of its ${size} bytes`);
  const found = `sha256:${hash.digest("hex")}`;
  if (found !== digest) throw wrong(`has other bytes: their digest is ${found}`);
}

async function locked(path: string, signal: AbortSignal | undefined): Promise<AsyncDisposable> {
  for (;;) {
    const lock = await takeLock(path);
    if (lock) return lock;
    await wait(LOCK_POLL_MS, signal ?? new AbortController().signal);
  }
}
