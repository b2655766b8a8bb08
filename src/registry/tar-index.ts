import type { Bytes } from "../core/units.ts";
import { AppError } from "../core/error.ts";
import { fileSize } from "../host/files.ts";
import { readStream } from "../host/stream-file.ts";
import type { ByteText } from "../layout/byte-text.ts";
import { partsOfName } from "../layout/tar-name.ts";
import { refused, tarReader } from "../layout/tar-reader.ts";
import { StoreError } from "./errors.ts";

/** Where a file lies in a tar. */
export interface Place {
  readonly start: Bytes;
  readonly size: Bytes;
}

const MOST_FILES = 100_000;
/** What is read of a tar at once: content that is longer is passed over. */
const PIECE: Bytes = 64 * 1024;

/**
 * Where in a tar each file lies: only headers are read. An archive of a layout has files and folders; with anything else, or one name twice, it is refused.
 *
 * @throws StoreError `REGISTRY_INVALID`
 */
export async function indexTar(path: string, origin: string, signal?: AbortSignal): Promise<ReadonlyMap<ByteText, Place>> {
  const files = new Map<ByteText, Place>();
  const reader = tarReader(
    { origin },
    {
      entry: ({ type, name, size }, start) => {
        const parts = partsOfName(name);
        if (typeof parts === "string") throw refused(origin, name, parts);
        if (type === "folder") return;
        if (type !== "file") throw refused(origin, name, "is neither a file nor a folder");
        const at = parts.join("/");
        if (files.has(at)) throw refused(origin, name, "is there twice");
        if (files.size >= MOST_FILES) throw refused(origin, name, `is more than the ${MOST_FILES} files that are read`);
        files.set(at, { start, size });
      },
    },
  );
  try {
    const size = await fileSize(path);
    for (let at = 0; at < size; at += reader.skip(size - at)) {
      for await (const piece of readStream(path, { start: at, length: Math.min(PIECE, size - at) }, signal)) {
        reader.push(piece);
        at += piece.length;
      }
    }
    reader.finish();
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof AppError)) throw error;
    throw new StoreError("REGISTRY_INVALID", error.message, {
      hint: "It is no tar of an OCI layout, or was cut; a compressed one has to be unpacked first. Copy it again.",
      cause: error,
    });
  }
  return files;
}
