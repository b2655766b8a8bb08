/** What an image gives to somebody who attacks a machine that runs it. docs/concepts/attack-surface.md */
import type { Bytes } from "../core/units.ts";
import { CAPABILITY_ATTRIBUTE } from "../layout/attack-surface/file-capability.ts";
import { fileFindings, mayBeExecuted, type SurfaceFile } from "../layout/attack-surface/files.ts";
import { FINDING_KINDS, type Finding, type FindingKind } from "../layout/attack-surface/finding.ts";
import { HEAD_SIZE } from "../layout/attack-surface/program-format.ts";
import { systemSurface } from "../layout/attack-surface/system.ts";
import { computeFrom } from "./compute-from.ts";
import { headOf, type ImageTree } from "./image-tree.ts";
import type { InspectContext, OpenedImage } from "./open-image.ts";
import { packagesOf } from "./packages.ts";
import { usersOf, type FoundUser } from "./users.ts";

export interface AttackSurface {
  /** How many findings there are of each kind. */
  readonly counts: Readonly<Record<FindingKind, number>>;
  /** By kind, each kind by name. */
  readonly findings: readonly Finding[];
  /** What cannot be known from an image, a sentence each. */
  readonly notes: readonly string[];
}

/** Files of configuration are smaller. */
const LONGEST: Bytes = 4 * 1024 ** 2;

/** @throws AppError those of {@link packagesOf} */
export async function attackSurfaceOf(
  image: Pick<OpenedImage, "tree" | "commandLine" | "work">,
  context: Pick<InspectContext, "containerTools" | "signal">,
): Promise<AttackSurface> {
  const { tree, commandLine } = image;
  const system = await computeFrom(tree, LONGEST, (files) => systemSurface(files, commandLine));
  const { packages } = await packagesOf(image, context);
  const files = fileFindings(await surfaceFiles(tree));
  const inImage = new Set(files.flatMap(({ kind, name }) => (kind === "worldWritable" ? [name] : [])));
  const found = [
    ...files,
    // What is so in the image already is there once.
    ...system.findings.filter(({ kind, name }) => kind !== "worldWritable" || !inImage.has(name)),
    ...(await usersOf(tree)).flatMap(accountFindings),
    ...packages.map(({ name }): Finding => ({ kind: "package", name, detail: "" })),
  ];
  const findings = FINDING_KINDS.flatMap((kind) => found.filter((one) => one.kind === kind).toSorted(byName));
  const counts = Object.fromEntries(FINDING_KINDS.map((kind) => [kind, findings.filter((one) => one.kind === kind).length]));
  return { counts: counts as Record<FindingKind, number>, findings, notes: system.notes };
}

const accountFindings = ({ name, uid, shell, login }: FoundUser): readonly Finding[] =>
  login.length === 0 ? [] : [{ kind: "account", name, detail: `user ${uid}, ${login.join(", ")}, ${shell}` }];

const byName = (a: Finding, b: Finding): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

async function surfaceFiles(tree: ImageTree): Promise<readonly SurfaceFile[]> {
  const files: SurfaceFile[] = [];
  for (const node of tree.nodes.values()) {
    const { path, kind, mode, uid, gid, nid } = node;
    files.push({
      ...{ path, kind, mode, uid, gid, nid },
      ...(kind === "link" ? { leadsTo: tree.find(path)?.path } : {}),
      ...(kind === "file" ? { capability: tree.attributes(node).get(CAPABILITY_ATTRIBUTE) } : {}),
      ...(mayBeExecuted(node) ? { head: await headOf(tree, node, HEAD_SIZE) } : {}),
    });
  }
  return files;
}
