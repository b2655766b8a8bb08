/** What differs between two images, in what they are made of and what they do. */
import type { Bytes } from "../core/units.ts";
import type { HealthPlan } from "../layout/health-plan.ts";
import { fullVersion, type Package } from "../layout/package.ts";
import type { RecoveryPlan } from "../layout/recovery-plan.ts";
import type { TreeNode } from "../layout/erofs-tree.ts";
import { digestOf, type ImageTree } from "./image-tree.ts";
import type { InspectContext, OpenedImage } from "./open-image.ts";
import { reportOf, type ImageReport } from "./report.ts";

type Value = string | number | null;
/** From the first image to the second one; `null` where there is none. */
export type Change<T = Value> = readonly [from: T, to: T];

export interface FileChange {
  readonly path: string;
  /** By what: `type`, `mode`, `owner`, `group`, `target`, `device`, `size`; `content` and `attributes` are only said to differ. */
  readonly differs: Readonly<Record<string, Change | true>>;
}
export interface Names {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}
export interface ImageDiff {
  readonly same: boolean;
  /** Of the manifest and of os-release, what differs: `version`, `kernel`, `rootHash`, `system`, `size`, `files` and so on. */
  readonly facts: Readonly<Record<string, Change>>;
  readonly packages: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly { readonly name: string; readonly from: string; readonly to: string }[];
  };
  readonly files: {
    readonly added: readonly { readonly path: string; readonly kind: TreeNode["kind"]; readonly size: Bytes }[];
    readonly removed: readonly { readonly path: string; readonly kind: TreeNode["kind"]; readonly size: Bytes }[];
    readonly changed: readonly FileChange[];
  };
  /** `name (target)`: enabled in one and not in the other. */
  readonly units: Names;
  readonly masked: Names;
  /** Lines of words: `name uid=1000 gid=1000 home=/home/name shell=/bin/sh login=ssh key`. */
  readonly users: Names;
  readonly persistent: Names;
  readonly commandLine: Names;
  readonly health: Change<HealthPlan> | undefined;
  readonly recovery: Change<RecoveryPlan> | undefined;
}

export async function diffImages(a: OpenedImage, b: OpenedImage, context: InspectContext): Promise<ImageDiff> {
  const [one, other] = [await reportOf(a, context), await reportOf(b, context)];
  // The root hash answers for every byte of a root file system.
  const isSameRoot = one.manifest.rootHash === other.manifest.rootHash;
  const diff: Omit<ImageDiff, "same"> = {
    facts: changedFacts(factsOf(one), factsOf(other)),
    packages: diffPackages(one.packages, other.packages),
    files: isSameRoot ? { added: [], removed: [], changed: [] } : await diffTrees(a.tree, b.tree),
    units: names(unitNames(one), unitNames(other)),
    masked: names(one.units.masked, other.units.masked),
    users: names(userLines(one), userLines(other)),
    persistent: names(one.persistent, other.persistent),
    commandLine: names(wordsOf(one), wordsOf(other)),
    health: changed(one.health, other.health),
    recovery: changed(one.recovery, other.recovery),
  };
  return { same: isEmpty(diff), ...diff };
}

function isEmpty(value: unknown): boolean {
  if (value === undefined) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && value !== null && Object.values(value).every(isEmpty);
}

function factsOf({ manifest, os, init, files, packages }: ImageReport): Record<string, Value> {
  const { name, version, kernel, created, rootHash, sizes, boot } = manifest;
  return {
    ...{ name, version, system: os["PRETTY_NAME"] ?? null, kernel, init, created, packages: packages.length },
    ...{ size: sizes.image, root: sizes.root, boot: sizes.boot, files: files.bytes, rootHash },
    ...{ vmlinuz: boot.vmlinuz, initrd: boot.initrd },
  };
}

function changedFacts(a: Readonly<Record<string, Value>>, b: Readonly<Record<string, Value>>): Record<string, Change> {
  return Object.fromEntries(
    Object.keys(a).flatMap((key) => {
      const change = changed<Value>(a[key] ?? null, b[key] ?? null);
      return change ? [[key, change]] : [];
    }),
  );
}

const changed = <T>(from: T, to: T): Change<T> | undefined =>
  JSON.stringify(from) === JSON.stringify(to) ? undefined : [from, to];

function names(a: readonly string[], b: readonly string[]): Names {
  const [inA, inB] = [new Set(a), new Set(b)];
  return { added: b.filter((name) => !inA.has(name)), removed: a.filter((name) => !inB.has(name)) };
}

/** Without the root hash, which is a fact of its own. */
const wordsOf = ({ commandLine }: ImageReport): string[] =>
  commandLine.split(" ").filter((word) => !word.startsWith("petrify.roothash="));
const unitNames = ({ units }: ImageReport): string[] => units.enabled.map(({ name, by }) => `${name} (${by})`);
const userLines = ({ users }: ImageReport): string[] =>
  users.map(({ name, uid, gid, home, shell, login }) =>
    [
      name,
      `uid=${uid}`,
      `gid=${gid}`,
      `home=${home}`,
      `shell=${shell}`,
      ...(login.length > 0 ? [`login=${login.join(",")}`] : []),
    ].join(" "),
  );

/** Several versions of one name, as kernels have them, are one text. */
function diffPackages(a: readonly Package[], b: readonly Package[]): ImageDiff["packages"] {
  const versions = (packages: readonly Package[]): Map<string, string> => {
    const found = new Map<string, string>();
    for (const one of packages) {
      const key = `${one.name}:${one.architecture}`;
      found.set(key, [...(found.has(key) ? [found.get(key)!] : []), fullVersion(one)].join(" "));
    }
    return found;
  };
  const [from, to] = [versions(a), versions(b)];
  return {
    added: [...to].filter(([key]) => !from.has(key)).map(([key, version]) => `${key} ${version}`),
    removed: [...from].filter(([key]) => !to.has(key)).map(([key, version]) => `${key} ${version}`),
    changed: [...from].flatMap(([name, version]) => {
      const now = to.get(name);
      return now === undefined || now === version ? [] : [{ name, from: version, to: now }];
    }),
  };
}

async function diffTrees(a: ImageTree, b: ImageTree): Promise<ImageDiff["files"]> {
  const onlyIn = (nodes: ImageTree["nodes"], other: ImageTree["nodes"]) =>
    [...nodes.values()].filter(({ path }) => !other.has(path)).map(({ path, kind, size }) => ({ path, kind, size }));
  const both: FileChange[] = [];
  for (const node of a.nodes.values()) {
    const other = b.nodes.get(node.path);
    const differs = other && (await differences(a, node, b, other));
    if (differs && Object.keys(differs).length > 0) both.push({ path: node.path, differs });
  }
  return { added: onlyIn(b.nodes, a.nodes), removed: onlyIn(a.nodes, b.nodes), changed: both };
}

async function differences(a: ImageTree, one: TreeNode, b: ImageTree, other: TreeNode): Promise<Record<string, Change | true>> {
  const octal = (mode: number): string => mode.toString(8).padStart(4, "0");
  const pairs: Record<string, Change> = {
    type: [one.kind, other.kind],
    mode: [octal(one.mode), octal(other.mode)],
    owner: [one.uid, other.uid],
    group: [one.gid, other.gid],
    target: [one.target ?? null, other.target ?? null],
    device: [one.device ?? null, other.device ?? null],
    ...(one.kind === "file" && other.kind === "file" ? { size: [one.size, other.size] as const } : {}),
  };
  const differs: Record<string, Change | true> = Object.fromEntries(
    Object.entries(pairs).filter(([, [from, to]]) => from !== to),
  );
  const attributes = (tree: ImageTree, node: TreeNode): string =>
    [...tree.attributes(node)]
      .map(([name, value]) => `${name}=${Buffer.from(value).toString("hex")}`)
      .toSorted()
      .join("\n");
  if (attributes(a, one) !== attributes(b, other)) differs["attributes"] = true;
  if (one.kind !== "file" || other.kind !== "file") return differs;
  if (one.size !== other.size || (await digestOf(a, one)) !== (await digestOf(b, other))) differs["content"] = true;
  return differs;
}
