/** What an image gives to somebody who attacks a machine that runs it. docs/concepts/attack-surface.md */
import { CAPABILITY_ATTRIBUTE } from "../layout/attack-surface/file-capability.ts";
import { fileFindings, mayBeExecuted, type SurfaceFile } from "../layout/attack-surface/files.ts";
import { FINDING_KINDS, type Finding, type FindingKind } from "../layout/attack-surface/finding.ts";
import { HEAD_SIZE } from "../layout/attack-surface/program-format.ts";
import { headOf, type ImageTree } from "./image-tree.ts";
import type { OpenedImage } from "./open-image.ts";

export interface AttackSurface {
  /** How many findings there are of each kind. */
  readonly counts: Readonly<Record<FindingKind, number>>;
  /** By kind, each kind by name. */
  readonly findings: readonly Finding[];
}

export async function attackSurfaceOf({ tree }: OpenedImage): Promise<AttackSurface> {
  const found = fileFindings(await surfaceFiles(tree));
  const findings = FINDING_KINDS.flatMap((kind) => found.filter((one) => one.kind === kind).toSorted(byName));
  const counts = Object.fromEntries(FINDING_KINDS.map((kind) => [kind, findings.filter((one) => one.kind === kind).length]));
  return { counts: counts as Record<FindingKind, number>, findings };
}

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
