import { posix } from "node:path";
import { AppError } from "../../core/error.ts";
import { MiB, type Bytes } from "../../core/units.ts";
import { fileSize } from "../../host/files.ts";
import { kindOf } from "../../host/stream-file.ts";
import type { ByteText } from "../../layout/byte-text.ts";
import { partsOfName } from "../../layout/tar-name.ts";
import { refused, tarReader } from "../../layout/tar-reader.ts";
import { archiveOfFile, checked, type Archive } from "./archive.ts";
import { invalid, type Descriptor } from "./image-documents.ts";

/** The files that make up an image: in a folder, or in a tar that is never unpacked. */
export interface Blobs {
  readonly origin: string;
  /** @param name relative, of this program's own making or checked @returns nothing where there is no such file */
  find(name: string): Promise<Archive | undefined>;
}

export const folderOfBlobs = (origin: string, folder: string, signal: AbortSignal | undefined): Blobs => ({
  origin,
  find: async (name) => {
    const path = posix.join(folder, name);
    const kind = await kindOf(path);
    if (kind === undefined) return undefined;
    if (kind !== "file") throw invalid(`${origin}: ${name}`, "is not a file");
    return archiveOfFile(`${origin}: ${name}`, path, { size: await fileSize(path) }, signal);
  },
});

/** An image has a few hundred files, and a tar of many images some thousand. */
const MOST_FILES = 100_000;
const MOST_LINKS = 10;

interface Place {
  readonly start: Bytes;
  readonly size: Bytes;
}

/**
 * Reads a tar once and remembers where in it each file lies. Links among them, as `docker save` once made for equal layers, are followed.
 *
 * @param path of a tar that is not compressed
 * @throws AppError `ARCHIVE_REFUSED`
 */
export async function tarOfBlobs(origin: string, path: string, signal: AbortSignal | undefined): Promise<Blobs> {
  const files = new Map<ByteText, Place | { readonly link: ByteText }>();
  const whole = archiveOfFile(origin, path, { size: await fileSize(path) }, signal);
  const reader = tarReader(
    { origin },
    {
      entry: ({ type, name, target, size }, start) => {
        const parts = partsOfName(name);
        if (typeof parts === "string") throw refused(origin, name, parts);
        if (type === "folder") return;
        const at = parts.join("/");
        if (files.has(at)) throw refused(origin, name, "is there twice");
        if (files.size >= MOST_FILES) throw refused(origin, name, `is more than the ${MOST_FILES} files that are read`);
        if (type === "file") files.set(at, { start, size });
        // What a link says is a name in this archive or none: nothing is opened by it.
        else if (type === "symlink") files.set(at, { link: posix.join(posix.dirname(at), target) });
        else if (type === "hardLink") files.set(at, { link: posix.normalize(target) });
        else throw refused(origin, name, `is a ${type} device or pipe, which no image has`);
      },
    },
  );
  for await (const chunk of whole.read()) reader.push(chunk);
  reader.finish();
  return {
    origin,
    find: async (name) => {
      let found = files.get(name);
      for (let links = 0; found && "link" in found; links++) {
        if (links === MOST_LINKS) throw invalid(`${origin}: ${name}`, "leads through a loop of links");
        found = files.get(found.link);
      }
      return found && archiveOfFile(`${origin}: ${name}`, path, found, signal);
    },
  };
}

/** Source: OCI Distribution Specification 1.1, "Pushing Manifests": registries accept 4 MiB */
const LARGEST_DOCUMENT: Bytes = 4 * MiB;

/** The text of a small file. @throws AppError `BASE_INVALID` */
export async function documentOf({ origin, size, read }: Archive): Promise<string> {
  if (size > LARGEST_DOCUMENT) throw invalid(origin, `is larger than the 4 MiB that a document of an image has at most`);
  const pieces: Uint8Array[] = [];
  for await (const piece of read()) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

export async function needed(blobs: Blobs, name: string): Promise<Archive> {
  const file = await blobs.find(name);
  if (file) return file;
  throw new AppError("BASE_INVALID", `${blobs.origin}: has no ${name}`, {
    hint: "It is no image of this kind, or was not copied as a whole.",
  });
}

/** A blob of an OCI layout, of which nothing is believed before its size and digest hold. @throws AppError `BASE_INVALID`, `BASE_DAMAGED` */
export async function blobOf(blobs: Blobs, descriptor: Pick<Descriptor, "digest" | "size">, origin: string): Promise<Archive> {
  const [algorithm, hex] = descriptor.digest.split(":") as [string, string];
  const blob = { ...(await needed(blobs, `blobs/${algorithm}/${hex}`)), origin };
  for await (const _ of checked(origin, blob.read(), { algorithm, hex, size: descriptor.size }));
  return blob;
}
