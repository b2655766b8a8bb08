/** All that `petrify inspect` says of an image: gathered here, shown by src/cli/inspect.ts. docs/concepts/inspect.md */
import type { Bytes } from "../core/units.ts";
import { parseHealthPlan, HEALTH_PLAN_PATH, type HealthPlan } from "../layout/health-plan.ts";
import { IMAGE_FACTS_PATH, parseImageFacts } from "../layout/image-facts.ts";
import { parseOsRelease, type OsRelease } from "../layout/os-release.ts";
import { parseRecoveryPlan, RECOVERY_PLAN_PATH, type RecoveryPlan } from "../layout/recovery-plan.ts";
import { sha256 } from "../host/sha256.ts";
import type { Manifest } from "../release/manifest.ts";
import { decodeTrustedKeys, TRUSTED_KEYS_PATH, type TrustedKeys } from "../release/trusted-keys.ts";
import { textOf, type ImageTree } from "./image-tree.ts";
import type { InspectContext, OpenedImage } from "./open-image.ts";
import { packagesOf, type FoundPackages } from "./packages.ts";
import { initOf, unitsOf, type FoundUnits, type InitName } from "./units.ts";
import { usersOf, type FoundUser } from "./users.ts";

export interface ImageReport extends FoundPackages {
  readonly manifest: Manifest;
  /** SHA-256 of the manifest, which names the image. */
  readonly digest: string;
  /** Every variable of os-release; empty without one. */
  readonly os: OsRelease;
  readonly init: InitName;
  /** The image's part of the kernel's command line. */
  readonly commandLine: string;
  readonly files: {
    /** Names of files, folders and links. */
    readonly count: number;
    /** Bytes of all files, each counted once. */
    readonly bytes: Bytes;
    /** Paths of programs that run with another one's rights: set-uid, set-gid, or with capabilities. */
    readonly privileged: readonly string[];
  };
  readonly units: FoundUnits;
  readonly users: readonly FoundUser[];
  /** Folders that keep what is written to them. */
  readonly persistent: readonly string[];
  readonly health: HealthPlan;
  readonly recovery: RecoveryPlan;
  /** Whose releases machines with it take; nothing where they need no signature. */
  readonly trust?: TrustedKeys;
  /** What could not be understood, a sentence each. */
  readonly notes: readonly string[];
}

export async function reportOf(image: OpenedImage, context: InspectContext): Promise<ImageReport> {
  const { tree, manifest, digest, commandLine } = image;
  const init = initOf(tree);
  const facts = await persistentOf(tree);
  const health = parseHealthPlan(await textOf(tree, HEALTH_PLAN_PATH));
  const recovery = parseRecoveryPlan(await textOf(tree, RECOVERY_PLAN_PATH));
  const trust = await trustOf(tree);
  const found = await packagesOf(image, context);
  return {
    ...{ manifest, digest, os: await osOf(tree), init, commandLine, files: filesOf(tree) },
    ...found,
    ...{ units: unitsOf(tree, init), users: await usersOf(tree), persistent: facts.persistent },
    ...{
      health: health.plan,
      recovery: recovery.plan,
      ...(trust.set ? { trust: trust.set } : {}),
      notes: [...facts.notes, ...health.notes, ...recovery.notes, ...trust.notes],
    },
  };
}

export async function osOf(tree: ImageTree): Promise<OsRelease> {
  return parseOsRelease((await textOf(tree, "/etc/os-release")) ?? (await textOf(tree, "/usr/lib/os-release")) ?? "");
}

async function persistentOf(tree: ImageTree): Promise<{ persistent: readonly string[]; notes: readonly string[] }> {
  try {
    return { persistent: parseImageFacts((await textOf(tree, IMAGE_FACTS_PATH)) ?? "").persistent, notes: [] };
  } catch (error) {
    return { persistent: [], notes: [(error as Error).message] };
  }
}

async function trustOf(tree: ImageTree): Promise<{ readonly set: TrustedKeys | undefined; readonly notes: readonly string[] }> {
  const text = await textOf(tree, TRUSTED_KEYS_PATH);
  try {
    const set = text === undefined ? undefined : decodeTrustedKeys(new TextEncoder().encode(text), TRUSTED_KEYS_PATH, sha256);
    return { set, notes: [] };
  } catch (error) {
    return { set: undefined, notes: [`${(error as Error).message}: machines with this image take no release`] };
  }
}

const SET_UID = 0o4000;
const SET_GID = 0o2000;

function filesOf(tree: ImageTree): ImageReport["files"] {
  const nodes = [...tree.nodes.values()];
  const files = nodes.filter(({ kind }) => kind === "file");
  const once = new Map(files.map(({ nid, size }) => [nid, size]));
  const privileged = files.filter(
    (node) => (node.mode & (SET_UID | SET_GID)) !== 0 || tree.attributes(node).has("security.capability"),
  );
  return {
    count: nodes.length,
    bytes: once.values().reduce((sum, size) => sum + size, 0),
    privileged: privileged.map(({ path }) => path),
  };
}
