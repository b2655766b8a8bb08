/** @portable Documents, in their order, to one config whose values know where they come from. docs/machine-config.md, "Several documents" */
import type { Path } from "../issue-text.ts";
import { NetworkSection } from "../network/network-section.ts";
import { disksFit } from "./disks.ts";
import { MachineDocument } from "./document.ts";
import { UNPACKED_LIMIT, type Gunzip } from "./file-content.ts";
import type { NodeConfig } from "./node-config.ts";
import { soundPart, type ParsedDocument } from "./parse.ts";
import { inOrder, pattern, type Problem } from "./problems.ts";
import { graphProblems } from "./step-graph.ts";
import { STAGE_NAMES, usualStepName } from "./stages.ts";
import { nodeConfigOf } from "./to-node-config.ts";
import { child, emptyMap, nearestTo, plain, without, type MapTree, type Tree } from "./tree.ts";

/** What all documents come to. */
export interface EffectiveConfig {
  readonly tree: MapTree;
  readonly config: NodeConfig;
  /** What is only wrong of all documents together, and content that cannot be unpacked; it is missing from the rest. */
  readonly problems: readonly Problem[];
}

/** What an entry of a list is known by: an entry of a later document changes the one of the same name. */
const KEYS: Readonly<Record<string, readonly PropertyKey[]>> = {
  users: ["name"],
  units: ["name"],
  "units[].drop_ins": ["name"],
  containers: ["name"],
  modules: ["name"],
  "chpasswd.users": ["name"],
};
/** The same, but the later entry takes the place of the earlier one: its parts belong together. */
const REPLACED: Readonly<Record<string, readonly PropertyKey[]>> = {
  write_files: ["path"],
  "stages.*": ["name"],
  "health.checks": ["name"],
  mounts: [1],
  fs_setup: ["device", "partition"],
};
/** Lists and mappings that are one value. */
const WHOLE = new Set([
  ...["containers[].command", "disk_setup.*.layout", "config_url", "users[].sudo", "user.sudo"],
  ...["network.tunnels.*.port-range", "updates.channel", "updates.windows", "updates.coordination"],
]);
/** Only all documents together say what the parts of a network, and disks and file systems, have to do with each other. */
const WholeConfig = MachineDocument.extend({ network: NetworkSection.optional() }).superRefine(disksFit);

/**
 * Later documents win: a value takes the place of the earlier one, mappings are merged key by key, entries of lists by what they are known by, other
 * lists follow one another without what is there already.
 *
 * The order of a merge does not matter, only that of the documents: (a, b), c is a, (b, c). A document with itself is itself.
 */
export function mergeTrees(trees: readonly MapTree[]): MapTree {
  const [first, ...rest] = trees;
  return rest.reduce<MapTree>((under, over) => merge(under, over, []) as MapTree, first ?? emptyMap("machine config"));
}

function merge(under: Tree, over: Tree, path: Path): Tree {
  const place = pattern(path);
  if (WHOLE.has(place) || under.kind !== over.kind) return over;
  if (under.kind === "map" && over.kind === "map") {
    const entries = new Map(under.entries);
    for (const [key, entry] of over.entries) {
      const before = entries.get(key);
      entries.set(key, before ? { ...entry, value: merge(before.value, entry.value, [...path, key]) } : entry);
    }
    return { ...over, entries };
  }
  if (under.kind === "list" && over.kind === "list") return { ...over, items: mergeItems(under.items, over.items, path, place) };
  return over;
}

function mergeItems(under: readonly Tree[], over: readonly Tree[], path: Path, place: string): Tree[] {
  const key = KEYS[place] ?? REPLACED[place];
  const items = [...under];
  const known = new Map(under.map((item, index) => [identity(item, key), index]));
  for (const item of over) {
    const index = known.get(identity(item, key));
    if (index === undefined) items.push(item);
    else items[index] = KEYS[place] === undefined ? item : merge(items[index]!, item, [...path, index]);
  }
  return items;
}

/** What an entry is known by, else all of it. A file that is appended to is none of the one that is replaced. */
function identity(item: Tree, keys: readonly PropertyKey[] | undefined): string {
  const names = keys?.map((key) => child(item, key));
  const append = child(item, "append");
  if (names?.[0]?.kind !== "scalar" || (append?.kind === "scalar" && append.value === true)) return JSON.stringify(plain(item));
  return `name:${JSON.stringify(names.map((name) => name && plain(name)))}`;
}

/**
 * What documents that were checked one by one come to.
 *
 * @param gunzip undoes gzip, of which every runtime has its own
 */
export function effectiveConfig(documents: readonly ParsedDocument[], gunzip: Gunzip): EffectiveConfig {
  const merged = mergeTrees(documents.map(({ tree }) => tree));
  const sound = soundPart(without(merged, [["config_url"]]), WholeConfig);
  const { tree: owned, problems: ownerless } = passwordOwned(sound.tree);
  const ordered = stepsOrdered(owned);
  let { tree } = ordered;
  let problems = [...sound.problems, ...ownerless, ...ordered.problems];
  for (;;) {
    const broken: { path: Path }[] = [];
    let unpacked = 0;
    const config = nodeConfigOf(MachineDocument.parse(plain(tree)), (bytes, path) => {
      try {
        const content = gunzip(bytes, UNPACKED_LIMIT - unpacked);
        unpacked += content.length;
        return content;
      } catch {
        broken.push({ path });
        return new Uint8Array();
      }
    });
    if (broken.length === 0) return { tree, config, problems: inOrder(problems) };
    const current = tree;
    problems = [
      ...problems,
      ...broken.map(({ path }) => {
        const at = nearestTo(current, path).tree;
        return { at: at.at, path: at.path, message: "cannot be unpacked: it is no gzip, or more than 16 MiB with the others" };
      }),
    ];
    const steps = (path: Path): Path => path.slice(0, path[0] === "stages" ? 3 : 2);
    tree = without(
      tree,
      broken.map(({ path }) => steps(path)),
    );
  }
}

/** Only all documents together have all steps of a stage. Steps that have no place in the order are left out, and those that wait for them. */
function stepsOrdered(whole: MapTree): { readonly tree: MapTree; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  let tree = whole;
  for (;;) {
    const stages = child(tree, "stages");
    const removed: Path[] = [];
    for (const stage of STAGE_NAMES) {
      const steps = stages && child(stages, stage);
      if (steps?.kind !== "list") continue;
      const nodes = steps.items.map((step, index) => ({
        name: textOf(child(step, "name")) ?? usualStepName(stage, index),
        after: afterOf(step),
      }));
      for (const { index, at, problem } of graphProblems(nodes)) {
        const around = nearestTo(tree, ["stages", stage, index, "after", at]).tree;
        problems.push({ at: around.at, path: around.path, message: `${JSON.stringify(nodes[index]!.after[at])} ${problem}` });
        removed.push(["stages", stage, index]);
      }
    }
    if (removed.length === 0) return { tree, problems };
    tree = without(tree, removed);
  }
}

const textOf = (tree: Tree | undefined): string | undefined =>
  tree?.kind === "scalar" && typeof tree.value === "string" ? tree.value : undefined;
/** Names, or mappings with one. */
function afterOf(step: Tree): string[] {
  const after = child(step, "after");
  return after?.kind === "list" ? after.items.map((item) => textOf(item) ?? textOf(child(item, "name")) ?? "") : [];
}

/** Only all documents together say whose a password is. */
function passwordOwned(tree: MapTree): { readonly tree: MapTree; readonly problems: readonly Problem[] } {
  const password = tree.entries.get("password");
  if (!password || tree.entries.has("user")) return { tree, problems: [] };
  const hint = "Write it as passwd of an entry of users.";
  const problem = { at: password.at, path: password.value.path, message: "needs user, which says whose it is", hint };
  return { tree: without(tree, [["password"]]), problems: [problem] };
}
