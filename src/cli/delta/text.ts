/** What an update costs, for people. */
import { formatSize, type Bytes } from "../../core/units.ts";
import { pathWithoutKernel } from "../../release/delta/image-pieces.ts";
import type { PieceCost } from "../../release/delta/make-delta.ts";
import { shown } from "../diff-text.ts";
import type { MadeDeltaFile } from "./work.ts";

/** How many pieces are listed unless all are wanted. */
const DEAREST = 15;

/** `1.4 MiB, 1.3 % of the whole image packed (104.3 MiB)` */
export function costText(bytes: Bytes, whole: Bytes, what: string): string {
  const share = whole === 0 ? 0 : (bytes / whole) * 100;
  return `${formatSize(bytes)}, ${share < 0.1 ? "less than 0.1" : share.toFixed(1)} % of ${what} (${formatSize(whole)})`;
}

export function planText({ from, to, explanation, full }: MadeDeltaFile, all: boolean): string {
  const { bytes, head, limit, regions, pieces } = explanation;
  const listed = all ? pieces : pieces.slice(0, DEAREST);
  const rest = pieces.slice(listed.length).reduce((total, piece) => total + piece.bytes, 0);
  const width = Math.max(...pieces.map(({ bytes: cost }) => formatSize(cost).length), 9);
  return [
    `${from.name} ${from.version} → ${to.version}`,
    `update  ${full === undefined ? formatSize(bytes) : costText(bytes, full, "the whole image, packed")}`,
    ...(limit === undefined ? [] : [`limit   ${formatSize(limit)}: every file by itself, nothing for digests`]),
    "",
    "region           size    changed      costs",
    ...regions
      .filter(({ size }) => size > 0)
      .map(({ region, ...sizes }) => `${region.padEnd(11)}${[sizes.size, sizes.changed, sizes.bytes].map(column).join("")}`),
    `digests${" ".repeat(26)}${column(head)}`,
    ...(pieces.length > 0 ? ["", "what changed, the dearest first:"] : ["", "nothing changed but digests"]),
    ...listed.map((piece) => `${formatSize(piece.bytes).padStart(width)}  ${shown(piece.name)}  (${reasonOf(piece)})`),
    ...(rest > 0 || listed.length < pieces.length
      ? [`${formatSize(rest).padStart(width)}  in ${pieces.length - listed.length} more: --all lists them`]
      : []),
  ].join("\n");
}

const column = (bytes: Bytes): string => formatSize(bytes).padStart(11);

/** Why it costs what it costs. */
function reasonOf({ against, method, size, name, packs }: PieceCost): string {
  const of = `of ${formatSize(size)}`;
  if (!packs && method === "plain") return `${of}, packed already: a small change changes all of it`;
  if (against === undefined) return method === "blocks" ? `${of}, new, in parts elsewhere before` : `${of}, new`;
  const was = pathWithoutKernel(against) === pathWithoutKernel(name) ? "" : `, was ${shown(against)}`;
  if (method === "plain") return `${of}, another one altogether${was}`;
  return method === "blocks" ? `${of}, blocks moved${was}` : `${of}, changed${was}`;
}

/** Facts of a made delta, for `--json`. */
export const planFacts = ({ from, to, explanation, full }: MadeDeltaFile): object => ({
  ...{ from, to, bytes: explanation.bytes, full, limit: explanation.limit, head: explanation.head },
  ...{ streams: explanation.streams, regions: explanation.regions, pieces: explanation.pieces },
});
