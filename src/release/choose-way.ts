/** @portable How a machine gets an image: by the fewest bytes. Pure. docs/concepts/upgrade.md */
import type { Bytes } from "../core/units.ts";
import { megabytes } from "../layout/downloaded-text.ts";
import type { SegmentList } from "./segments.ts";

/** A delta that lies beside a release. */
export interface OfferedDelta {
  /** SHA-256 of the manifest of the image that it is applied to, hex. */
  readonly from: string;
  /** Of the delta. */
  readonly size: Bytes;
}
export interface WayInput<Delta extends OfferedDelta> {
  readonly list: Pick<SegmentList, "segments">;
  /** Segments at the start of the image that are in its place already. */
  readonly done: number;
  /** SHA-256 of segments that the running image has, hex; nothing where nobody has looked. */
  readonly shared: ReadonlySet<string> | undefined;
  readonly deltas: readonly Delta[];
  /** SHA-256 of the running image's manifest, hex; nothing where it cannot be read. */
  readonly running: string | undefined;
}
export type Way<Delta extends OfferedDelta> = {
  /** To be downloaded, at the most. */
  readonly bytes: Bytes;
  /** Of the whole image, packed. */
  readonly full: Bytes;
} & (
  | { readonly by: "delta"; readonly delta: Delta }
  /** `shared`: how many of those that are still missing the machine has already. */
  | { readonly by: "segments"; readonly shared: number }
);

/** Running images are not read for a saving that is less than this: it would take longer than the download. */
const WORTH_READING: Bytes = 8 * 1024 ** 2;

/** Never more than the whole image; of two ways with the same bytes the one that does not need the running image. */
export function chooseWay<Delta extends OfferedDelta>({ list, done, shared, deltas, running }: WayInput<Delta>): Way<Delta> {
  const missing = list.segments.slice(done);
  const full = packedBytes(list.segments);
  const has = (sha256: string): boolean => shared?.has(sha256) ?? false;
  const bytes = packedBytes(missing.filter(({ sha256 }) => !has(sha256)));
  const [delta] = deltas.filter(({ from }) => from === running).toSorted((one, other) => one.size - other.size);
  if (delta && delta.size < bytes) return { by: "delta", delta, bytes: delta.size, full };
  return { by: "segments", shared: missing.filter(({ packed, sha256 }) => packed && has(sha256)).length, bytes, full };
}

/** Whether it could be worth it to read the running image for segments that it shares with the new one. */
export const isWorthReading = <Delta extends OfferedDelta>({ bytes }: Way<Delta>): boolean => bytes >= WORTH_READING;

/** How, for people: `a delta from the running image: 0.27 MB of 331 MB`. */
export function wayText(way: Way<OfferedDelta>): string {
  const sizes = `${megabytes(way.bytes)} of ${megabytes(way.full)}`;
  if (way.by === "delta") return `a delta from the running image: ${sizes}`;
  if (way.bytes === 0) return "nothing to download: everything is here already";
  return way.bytes < way.full ? `segments that are not here yet: ${sizes}` : `the whole image: ${sizes}`;
}

/** Each blob once, however many segments are made of it. */
function packedBytes(segments: SegmentList["segments"]): Bytes {
  const sizes = new Map(segments.flatMap(({ packed }) => (packed ? [[packed.digest, packed.size] as const] : [])));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
