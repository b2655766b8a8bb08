/** @portable One entry a path, each where it can be laid down: what all keys together want of the file system. docs/concepts/config.md */
import { base64, bytesOfBase64 } from "../../../layout/base64.ts";
import type { EntryContent, TreeEntry } from "../../../layout/compiled-config.ts";
import { isNormalPath } from "../../../layout/persistent-folder.ts";
import { isIn } from "../../persistent-path.ts";
import type { ImageView } from "./image-view.ts";
import { isOneLine, type Draft, type Unsupported } from "./part.ts";

/** Where a path is kept, and so who lays it down when. */
type Place =
  | { readonly is: "root" | "data" | "run" }
  /** @property why the end of a sentence that starts with the path */
  | { readonly is: "refused"; readonly why: string };

const OWN = "is petrify's own";
const ACCOUNTS = "is made at each boot from the image and the keys users and groups";
/** In places that can be written to, and not by a machine config. */
const NOT_BY_CONFIG: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"].flatMap((name) => [
      [`/etc/${name}`, ACCOUNTS],
      [`/etc/${name}-`, ACCOUNTS],
    ]),
  ),
  "/etc/fstab": "is made at each boot by petrify",
  "/etc/mtab": "is made by the kernel",
  "/etc/machine-id": "is made once for each machine",
  "/oem/petrify": OWN,
  "/usr/local/.petrify": OWN,
  "/run/petrify": OWN,
  "/run/systemd": "is the init's own",
};
/** They only hold other folders. */
const ROOTS = ["/etc", "/var", "/oem", "/usr/local", "/run", "/tmp"];

/** @param path one that leads through no link @param persistent every folder that keeps what is written to it */
function placeOf(path: string, persistent: readonly string[]): Place {
  if (ROOTS.includes(path)) return { is: "refused", why: "is a folder of every image" };
  for (const [folder, why] of Object.entries(NOT_BY_CONFIG))
    if (isIn(path, folder)) return { is: "refused", why: path === folder ? why : `lies in ${folder}, which ${why}` };
  const keeping = [...persistent, "/oem", "/usr/local"].find((folder) => isIn(path, folder));
  if (keeping) return path === keeping ? { is: "refused", why: "is a folder that is mounted" } : { is: "data" };
  if (isIn(path, "/etc") || isIn(path, "/var")) return { is: "root" };
  if (isIn(path, "/run") || isIn(path, "/tmp")) return { is: "run" };
  return { is: "refused", why: "is part of the image, which is read-only: put it in the recipe" };
}

/** What can be said of a path before anything is written there. */
export type Located =
  | { readonly is: "root" | "data" | "run"; readonly path: string }
  | { readonly is: "refused"; readonly why: string };

/**
 * Where a path of a config leads on an image, links of the image followed but for the last part: what is written there takes a link's place.
 *
 * @param follow also a link at the end: for what is added to the file that it names
 */
export function locate(path: string, view: ImageView, persistent: readonly string[], follow = false): Located {
  if (!isNormalPath(path)) return { is: "refused", why: "is no absolute path without . and .." };
  if (!isOneLine(path) || path.length > 1000) return { is: "refused", why: "has characters that no path here may have" };
  const found = view.find(path, follow ? "follow" : "keep");
  if (!found) return { is: "refused", why: "cannot be there: on its way the image has a file, or links in a circle" };
  const place = placeOf(found.path, persistent);
  if (place.is !== "refused") return { is: place.is, path: found.path };
  return { is: "refused", why: found.path === path ? place.why : `is ${found.path} on this image, which ${place.why}` };
}

interface Settled {
  readonly entries: readonly TreeEntry[];
  readonly unsupported: readonly Unsupported[];
}
interface Placed {
  readonly draft: Draft;
  readonly entry: TreeEntry;
  /** Made only because something lies in it. */
  readonly isParent: boolean;
}

/**
 * Puts together what all keys want. Of two that contradict each other the first counts, and the second is told.
 *
 * @param persistent every folder that keeps what is written to it, those of the config included
 * @param options `run`: also what is emptied at each boot, for a stage of a running system
 */
export function settleEntries(
  drafts: readonly Draft[],
  view: ImageView,
  persistent: readonly string[],
  { run }: { readonly run: boolean } = { run: false },
): Settled {
  const placed = new Map<string, Placed>();
  const holding = new Map<string, string>();
  const unsupported: Unsupported[] = [];
  for (const draft of drafts) {
    const problem = settle(draft, { placed, holding, view, persistent, run });
    if (problem !== undefined) unsupported.push({ key: draft.key, problem });
  }
  const entries = [...placed.values()].map(({ entry }) => entry).sort(({ path: a }, { path: b }) => (a < b ? -1 : 1));
  return { entries, unsupported };
}

interface Settling {
  readonly placed: Map<string, Placed>;
  /** Folders that something lies in, and whose key that is. */
  readonly holding: Map<string, string>;
  readonly view: ImageView;
  readonly persistent: readonly string[];
  readonly run: boolean;
}

/** @returns what is wrong with it */
function settle(draft: Draft, { placed, holding, view, persistent, run }: Settling): string | undefined {
  const { what } = draft;
  const appends = what.is === "file" && what.append === true;
  const at = locate(draft.path, view, persistent, appends);
  if (at.is === "refused") return `${draft.path} ${at.why}`;
  const { path } = at;
  if (at.is === "run" && !run) return `${path} is emptied at each boot, and made too late for this`;
  if (appends && at.is === "data") return `${path} is kept over reboots: it would grow at each of them`;

  const inTheWay = whatIsInTheWay(what.is, path, view);
  if (inTheWay) return inTheWay;
  if (what.is === "gone" && view.find(path, "keep")?.node === undefined) return undefined;
  const folders = foldersAbove(path);
  const above = folders.map((folder) => placed.get(folder)).find((one) => one && one.entry.what.is !== "folder");
  if (above) return `${path} lies in ${above.entry.path}, which ${above.draft.key} makes something else than a folder`;
  if (what.is !== "folder" && holding.has(path)) return `${path} has to be a folder for ${holding.get(path)}`;

  const entry: TreeEntry = {
    ...{ path, when: at.is, owner: draft.owner ?? "root:root", what },
    ...(draft.recovery && { recovery: true }),
  };
  const before = placed.get(path);
  if (before && !before.isParent) {
    const both = together(before.entry, entry);
    if (!both) return `${path} is what ${before.draft.key} makes, too`;
    placed.set(path, { ...before, entry: both });
    return undefined;
  }
  for (const folder of folders) holding.set(folder, holding.get(folder) ?? draft.key);
  for (const parent of folders.filter((folder) => isMissing(folder, view, persistent))) {
    if (placed.has(parent)) continue;
    const { owner, mode } = draft.parents ?? { owner: "root:root", mode: 0o755 };
    const folder: TreeEntry = { path: parent, when: at.is, owner, what: { is: "folder", mode, keep: true } };
    placed.set(parent, {
      ...{ draft, isParent: true },
      entry: { ...folder, ...(draft.recovery && { recovery: true }) },
    });
  }
  placed.set(path, { draft, entry, isParent: false });
  return undefined;
}

function whatIsInTheWay(is: TreeEntry["what"]["is"], path: string, view: ImageView): string | undefined {
  const node = view.find(path, "keep")?.node;
  if (is === "folder") return node === undefined || node === "folder" ? undefined : `${path} is no folder on this image`;
  return node === "folder" && is !== "gone" ? `${path} is a folder on this image` : undefined;
}

const foldersAbove = (path: string): string[] => {
  const parts = path.split("/").slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
};

/** Whether a folder has to be made; those that data is mounted on are there. */
const isMissing = (folder: string, view: ImageView, persistent: readonly string[]): boolean =>
  !ROOTS.includes(folder) &&
  view.find(folder, "keep")?.node === undefined &&
  ![...persistent, "/oem", "/usr/local"].some((mounted) => isIn(mounted, folder));

/** Nothing where they contradict each other. */
function together(before: TreeEntry, after: TreeEntry): TreeEntry | undefined {
  if (isSame(before.what, after.what) && before.owner === after.owner) return before;
  if (before.what.is !== "file" || after.what.is !== "file" || !after.what.append) return undefined;
  return { ...before, what: { ...before.what, content: joined(before.what.content, after.what.content) } };
}

const isSame = (one: TreeEntry["what"], other: TreeEntry["what"]): boolean => JSON.stringify(one) === JSON.stringify(other);

function joined(one: EntryContent, other: EntryContent): EntryContent {
  if ("text" in one && "text" in other) return { text: one.text + other.text };
  const [first, second] = [contentBytes(one), contentBytes(other)];
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return { base64: base64(all) };
}

const contentBytes = (content: EntryContent): Uint8Array =>
  "text" in content ? new TextEncoder().encode(content.text) : (bytesOfBase64(content.base64) ?? new Uint8Array());
