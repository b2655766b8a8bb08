/** @portable What compiling a machine config has to know of the image that it is for. */
import type { ImageFacts } from "../../../layout/image-facts.ts";
import { namesAt, resolveInTree, textAt, type FoundPath, type ImageTree } from "../../../layout/image-tree.ts";
import { parseOsRelease } from "../../../layout/os-release.ts";
import type { InitKind } from "../../words.ts";

/** Of the image alone, without anything that a boot has written. */
export interface ImageView extends ImageFactsView {
  /** Whether anything is at a path, links followed inside the image. */
  readonly has: (path: string) => boolean;
  /** The text of a file; nothing where there is none. */
  readonly read: (path: string) => string | undefined;
  /** The names in a folder, sorted; none where there is none. */
  readonly list: (path: string) => readonly string[];
  readonly find: (path: string, last: "follow" | "keep") => FoundPath | undefined;
}
interface ImageFactsView {
  readonly name: string;
  readonly version: string;
  readonly init: InitKind;
  /** `ID` and `VERSION_ID` of os-release(5). */
  readonly os: string;
  readonly osVersion: string;
  /** As uname(1) says it: `x86_64` */
  readonly architecture: string;
  /** Every folder of the image that keeps what is written to it. */
  readonly persistent: readonly string[];
  readonly profile?: ImageFacts["profile"];
}

/** What an image says of itself. */
export type ViewedFacts = Pick<ImageFacts, "name" | "version" | "persistent" | "init" | "profile">;

/**
 * @param facts what the image says of itself
 * @param architecture as uname(1) says it
 */
export function viewOfImage(
  tree: ImageTree,
  { name, version, persistent, init, profile }: ViewedFacts,
  architecture: string,
): ImageView {
  const text = ["/etc/os-release", "/usr/lib/os-release"].map((path) => textAt(tree, path)).find((found) => found !== undefined);
  const { ID: os = "", VERSION_ID: osVersion = "" } = parseOsRelease(text ?? "");
  // Images of before there was a choice have systemd.
  const about = { name, version, persistent, ...(profile ? { profile } : {}) };
  return imageView({ ...about, init: init?.kind ?? "systemd", os, osVersion, architecture }, tree);
}

export function imageView(facts: ImageFactsView, tree: ImageTree): ImageView {
  const find: ImageView["find"] = (path, last) => resolveInTree(tree, path, last);
  return {
    ...facts,
    find,
    has: (path) => find(path, "follow")?.node !== undefined,
    read: (path) => textAt(tree, path),
    list: (path) => namesAt(tree, path),
  };
}
