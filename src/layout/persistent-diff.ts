/** @portable What a persistent folder holds compared with the running image. docs/concepts/persistence.md */
import type { Bytes } from "../core/units.ts";

export type Kind = "file" | "folder" | "link" | "other";

/** A file of either layer, as lstat(2) tells. */
export interface FileFacts {
  readonly kind: Kind;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: Bytes;
  /** Storage it has. */
  readonly stored: Bytes;
  /** Of a link. */
  readonly target?: string;
  /** Of a device node, a socket …: what it is. */
  readonly special?: string;
}

/** A path that the upper layer has something to say about. */
export interface LayerEntry {
  /** As programs see it. */
  readonly path: string;
  /** What the upper layer holds; nothing where a folder that was made anew hides what the image has in its place. */
  readonly upper: FileFacts | "whiteout" | undefined;
  readonly image: FileFacts | undefined;
  /** Of a folder that stands for everything below it. */
  readonly below?: { readonly entries: number; readonly stored: Bytes };
}

/**
 * - `added`: not in the image
 * - `changed`: in the image, and different
 * - `removed`: in the image, and hidden
 * - `stale`: changed, and the image's file is another one than it was when it was copied
 * - `unneeded`: takes the image's place and is the same
 */
export const VERDICTS = ["stale", "changed", "added", "removed", "unneeded"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** What differs: the image's, then what is there now. */
export interface Differences {
  readonly type?: readonly [string, string];
  readonly content?: true;
  readonly target?: readonly [string, string];
  /** Octal. */
  readonly mode?: readonly [string, string];
  /** `uid:gid` */
  readonly owner?: readonly [string, string];
}

export interface DiffEntry {
  readonly path: string;
  readonly verdict: Verdict;
  /** Storage that the upper layer has for it, with what is below. */
  readonly stored: Bytes;
  /** How many entries a folder stands for besides itself. */
  readonly below?: number;
  readonly differs?: Differences;
  /** Of a stale file: whether it was changed since it was copied. A reset of one that was not loses nothing. */
  readonly edited?: boolean;
}

/** Both layers hold a file there: its SHA-256 in one of them. */
export type DigestOf = (layer: "upper" | "image") => Promise<string>;

/**
 * @param recorded SHA-256 of the image's file when its copy was first seen, where that is known
 * @returns `undefined` for a folder that is there only because something below it is
 */
export async function judge(
  { path, upper, image, below }: LayerEntry,
  recorded: string | undefined,
  digestOf: DigestOf,
): Promise<DiffEntry | undefined> {
  const own = typeof upper === "object" ? upper.stored : 0;
  const entry = { path, stored: own + (below?.stored ?? 0), ...(below && below.entries > 0 ? { below: below.entries } : {}) };
  if (!image) return upper && { ...entry, verdict: upper === "whiteout" ? "unneeded" : "added" };
  if (upper === undefined || upper === "whiteout") return { ...entry, verdict: "removed" };
  const differs = await differences(upper, image, digestOf);
  if (Object.keys(differs).length === 0) return upper.kind === "folder" ? undefined : { ...entry, verdict: "unneeded" };
  if (recorded !== undefined && upper.kind === "file" && (differs.content || differs.type)) {
    const now = image.kind === "file" ? await digestOf("image") : undefined;
    if (now !== recorded) return { ...entry, verdict: "stale", differs, edited: (await digestOf("upper")) !== recorded };
  }
  return { ...entry, verdict: "changed", differs };
}

async function differences(upper: FileFacts, image: FileFacts, digestOf: DigestOf): Promise<Differences> {
  const sameKind = upper.kind === image.kind && upper.special === image.special;
  const pair = <T>(name: string, from: T, to: T): object => (from === to ? {} : { [name]: [from, to] });
  return {
    ...(sameKind ? {} : { type: [image.special ?? image.kind, upper.special ?? upper.kind] }),
    ...(sameKind && upper.kind === "file" && (await contentDiffers(upper, image, digestOf)) ? { content: true } : {}),
    ...(sameKind && upper.kind === "link" ? pair("target", image.target, upper.target) : {}),
    ...(sameKind && upper.kind !== "link" ? pair("mode", octal(image.mode), octal(upper.mode)) : {}), // a link's mode means nothing
    ...pair("owner", `${image.uid}:${image.gid}`, `${upper.uid}:${upper.gid}`),
  };
}

const contentDiffers = async (upper: FileFacts, image: FileFacts, digestOf: DigestOf): Promise<boolean> =>
  upper.size !== image.size || (await digestOf("upper")) !== (await digestOf("image"));

const octal = (mode: number): string => mode.toString(8).padStart(4, "0");

/** How many there are of each verdict, those that a folder stands for included. */
export type Totals = { readonly [verdict in Verdict]: number } & {
  /** Storage of the upper layer. */
  readonly stored: Bytes;
};

export function totalsOf(entries: readonly DiffEntry[]): Totals {
  const totals = { stored: 0, ...(Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Record<Verdict, number>) };
  for (const { verdict, stored, below = 0 } of entries) {
    totals[verdict] += 1 + below;
    totals.stored += stored;
  }
  return totals;
}

/** The order of paths in which what a folder holds follows it. */
export function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  const [left, right] = [a.path.replaceAll("/", "\0"), b.path.replaceAll("/", "\0")];
  return left < right ? -1 : left > right ? 1 : 0;
}
