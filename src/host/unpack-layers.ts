/** Unpacks the layers of an image into a folder, as root. Nothing is written outside of it, whatever the layers say. docs/concepts/debug.md */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import type { Bytes } from "../core/units.ts";
import { largestUnpacked, tooLarge, type ArchiveLimits } from "../layout/archive-limits.ts";
import { bytesOfText, type ByteText } from "../layout/byte-text.ts";
import { layerTree, memberOf, type Member, type MergePlan } from "../layout/layer-tree.ts";
import type { TarEntry } from "../layout/tar-entry.ts";
import { refused, tarReader, type TarSink } from "../layout/tar-reader.ts";
import { decompressed } from "./decompress.ts";

/** Read twice: what becomes of an entry is known only when the last layer was read. */
export interface PackedLayer {
  /** How it is called in errors. */
  readonly origin: string;
  readonly size: Bytes;
  /** Compared with its digest at its end. */
  readonly read: () => AsyncIterable<Uint8Array>;
}

/** Set-user-id and set-group-id give nobody anything here. */
const MODE = 0o1777;
const FOLDER_MODE = 0o755;

/**
 * Owners and permissions are kept; times, extended attributes and pipes are not. What is below `/dev` is left out.
 *
 * @param folder is made
 * @throws AppError `ARCHIVE_REFUSED`, NodeJS.ErrnoException (`ENOSPC`), what reading throws; the signal's reason
 */
export async function unpackLayers(
  layers: readonly PackedLayer[],
  folder: string,
  limits: ArchiveLimits,
  signal: AbortSignal,
): Promise<void> {
  const tree = layerTree(limits);
  let unpacked = 0;
  for (const layer of layers) {
    const { origin } = layer;
    const members: (Member | undefined)[] = [];
    const entry = (found: TarEntry): void => {
      if (members.length >= limits.entries)
        throw refused(origin, found.name, `is more than the ${limits.entries} entries that are read`);
      members.push(memberOf(found, origin));
    };
    for await (const size of read(layer, { entry }, limits, signal)) {
      unpacked += size;
      if (unpacked > limits.unpacked) throw tooLarge(origin, limits.unpacked);
    }
    tree.lay(members, { origin, whiteouts: true });
  }
  const plan = tree.plan();
  const at = (name: ByteText): Buffer => Buffer.concat([Buffer.from(`${folder}/`), bytesOfText(name)]);
  mkdirSync(folder, FOLDER_MODE);
  // Each of them comes before what is in it.
  for (const name of plan.implied) makeFolder(at(name));
  for (const [index, layer] of layers.entries()) {
    const sink = writer(plan, index, at);
    try {
      for await (const _ of read(layer, sink, limits, signal)) await turn();
    } finally {
      sink[Symbol.dispose]();
    }
  }
}

/** Yields how much was read. */
async function* read(layer: PackedLayer, sink: TarSink, limits: ArchiveLimits, signal: AbortSignal): AsyncGenerator<Bytes> {
  const { origin } = layer;
  const reader = tarReader({ origin, endMark: "optional" }, sink);
  for await (const chunk of decompressed(origin, layer.read(), largestUnpacked(limits, layer.size))) {
    signal.throwIfAborted();
    reader.push(chunk);
    yield chunk.length;
  }
  reader.finish();
}

/** Writes what the plan keeps of a layer. Whatever stands above a name in the plan is a folder there: no link is ever followed. */
function writer(plan: MergePlan, layer: number, at: (name: ByteText) => Buffer): TarSink & Disposable {
  let place = -1;
  let file: number | undefined;
  let others: () => void = () => {};
  const close = (): void => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  return {
    entry: (entry) => {
      const [name, ...links] = plan.names(layer, ++place);
      others = () => {};
      if (name === undefined || entry.type === "fifo") return;
      const path = at(name);
      if (name !== "") makeParents(name, at);
      const { uid, gid } = entry;
      if (entry.type === "folder") {
        makeFolder(path);
        lchownSync(path, uid, gid);
        chmodSync(path, entry.mode & MODE);
        return;
      }
      if (entry.type === "symlink") {
        symlinkSync(Buffer.from(bytesOfText(entry.target)), path);
        lchownSync(path, uid, gid);
      } else {
        file = openSync(path, "wx", 0o600);
        fchownSync(file, uid, gid);
        fchmodSync(file, entry.mode & MODE);
      }
      others = () => {
        for (const link of links) {
          makeParents(link, at);
          linkSync(path, at(link));
        }
      };
    },
    data: (bytes) => {
      if (file === undefined) return;
      for (let from = 0; from < bytes.length;) from += writeSync(file, bytes, from);
    },
    end: () => {
      close();
      others();
    },
    [Symbol.dispose]: close,
  };
}

/** A folder that a later layer describes may have files of an earlier one. */
function makeParents(name: ByteText, at: (name: ByteText) => Buffer): void {
  const parts = name.split("/").slice(0, -1);
  for (const depth of parts.keys()) makeFolder(at(parts.slice(0, depth + 1).join("/")));
}

function makeFolder(path: Buffer): void {
  try {
    mkdirSync(path, FOLDER_MODE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
