import type { ByteText } from "../../layout/byte-text.ts";
import { layerTree, memberOf, type Member, type MergePlan } from "../../layout/layer-tree.ts";
import { encodeTarHeader, TAR_END, tarPadding, type TarEntry } from "../../layout/tar-entry.ts";
import { refused, tarReader, type TarSink } from "../../layout/tar-reader.ts";
import { checked, type Layer } from "./archive.ts";
import { decompressed } from "../../host/decompress.ts";
import { largestUnpacked, LIMITS, tooLarge, type ArchiveLimits } from "../../layout/archive-limits.ts";

/** What is known of a merged tree besides its files. */
export interface MergedFacts {
  /** Seconds since 1970 of the newest entry; 0 where none has a time. */
  readonly newest: number;
  /** Entries with attributes that only root of the machine can set, and not root of a user namespace: security.selinux, trusted.* … */
  readonly guarded: number;
  /** The largest ids that own something. */
  readonly largestUid: number;
  readonly largestGid: number;
}
export interface MergeOptions {
  /** Whether the layers are an image's, whose names such as `.wh.x` take away what is below. */
  readonly whiteouts: boolean;
  readonly limits?: ArchiveLimits;
  readonly note?: (text: string) => void;
}

/** Layers that can become one tree. */
export interface Judged {
  readonly facts: MergedFacts;
  /**
   * One tar with each name once: folders that are not described get a header, hard links come after their file, and every header is
   * written anew, so that what was judged is what tar will unpack. To be believed only when all of it has come.
   *
   * @throws AppError `ARCHIVE_REFUSED`, `BASE_DAMAGED` when a layer is not what it was before
   */
  tar(): AsyncGenerator<Uint8Array>;
}

/**
 * Reads layers, lowest first, and refuses what cannot become a tree.
 *
 * Every layer is read twice, here and for the tar: what becomes of an entry is known only when the last layer has been read. Memory goes
 * with the number of entries, not with their size.
 *
 * @throws AppError `ARCHIVE_REFUSED`, `BASE_DAMAGED`
 */
export async function judgeLayers(layers: readonly Layer[], options: MergeOptions): Promise<Judged> {
  const { limits = LIMITS, whiteouts, note } = options;
  const about = (verb: string, index: number): void =>
    note?.(layers.length === 1 ? verb : `${verb} layer ${index + 1} of ${layers.length}`);
  const tree = layerTree(limits);
  const facts = { newest: 0, guarded: 0, largestUid: 0, largestGid: 0 };
  let unpacked = 0;
  for (const [index, layer] of layers.entries()) {
    about("reading", index);
    const members: (Member | undefined)[] = [];
    const entry: TarSink["entry"] = (found) => {
      if (members.length >= limits.entries) {
        throw refused(layer.origin, found.name, `is more than the ${limits.entries} entries that are read`);
      }
      const member = memberOf(found, layer.origin);
      members.push(member);
      if (!member) return;
      facts.newest = Math.max(facts.newest, found.mtime);
      facts.largestUid = Math.max(facts.largestUid, found.uid);
      facts.largestGid = Math.max(facts.largestGid, found.gid);
      if (found.attributes.some(([name]) => isGuarded(name))) facts.guarded++;
    };
    for await (const chunk of read(layer, { entry }, limits)) {
      unpacked += chunk.length;
      if (unpacked > limits.unpacked) throw tooLarge(layer.origin, limits.unpacked);
    }
    tree.lay(members, { origin: layer.origin, whiteouts });
  }
  const plan = tree.plan();
  return {
    facts,
    tar: async function* () {
      for (const name of plan.implied) yield encodeTarHeader({ ...IMPLIED, name: name || "./" });
      for (const [index, layer] of layers.entries()) {
        about("merging", index);
        const out: Uint8Array[] = [];
        const sink = writer(plan, index, out);
        for await (const _ of read(layer, sink, limits)) {
          yield* out;
          out.length = 0;
        }
      }
      yield TAR_END;
    },
  };
}

const IMPLIED: Omit<TarEntry, "name"> = {
  ...{ type: "folder", target: "", mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, device: [0, 0], attributes: [] },
};

/** Linux, security/commoncap.c: file capabilities are for any user namespace, the rest of security.* and trusted.* for the first. */
const isGuarded = (attribute: ByteText): boolean =>
  attribute.startsWith("trusted.") || (attribute.startsWith("security.") && attribute !== "security.capability");

/** Reads a layer to its end, through its reader. @returns its decompressed pieces, each after the reader has seen it */
async function* read(layer: Layer, sink: TarSink, limits: ArchiveLimits): AsyncGenerator<Uint8Array> {
  const { origin, diffId } = layer;
  const plain = decompressed(origin, layer.read(), largestUnpacked(limits, layer.size));
  const reader = tarReader({ origin, endMark: diffId === undefined ? "needed" : "optional" }, sink);
  for await (const chunk of diffId === undefined ? plain : checked(origin, plain, { algorithm: "sha256", hex: diffId })) {
    reader.push(chunk);
    yield chunk;
  }
  reader.finish();
}

/** Copies what the plan keeps of a layer. */
function writer(plan: MergePlan, layer: number, out: Uint8Array[]): TarSink {
  let place = -1;
  let names: readonly ByteText[] = [];
  let current: TarEntry | undefined;
  return {
    entry: (entry) => {
      place++;
      names = plan.names(layer, place);
      current = undefined;
      const [name] = names;
      if (name === undefined) return;
      current = entry;
      out.push(encodeTarHeader({ ...entry, name: name || "./" }));
    },
    data: (bytes) => {
      if (current) out.push(bytes);
    },
    end: () => {
      if (!current) return;
      if (current.size % 512 !== 0) out.push(tarPadding(current.size));
      for (const name of names.slice(1)) {
        out.push(encodeTarHeader({ ...current, type: "hardLink", name, target: names[0]!, size: 0, attributes: [] }));
      }
    },
  };
}
