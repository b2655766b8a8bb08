/** @portable What one image gives to an attacker that another one does not. */
import type { Finding, FindingKind } from "./finding.ts";

export interface ChangedFinding {
  readonly kind: FindingKind;
  readonly name: string;
  /** Details before and after. */
  readonly from: string;
  readonly to: string;
}
export interface SurfaceDiff {
  /** Whether anything came or is another one than before: what is different is not known to be less. */
  readonly grew: boolean;
  readonly added: readonly Finding[];
  readonly removed: readonly Finding[];
  readonly changed: readonly ChangedFinding[];
}

/** In the order in which both have their findings. */
export function compareSurfaces(before: readonly Finding[], after: readonly Finding[]): SurfaceDiff {
  const [old, now] = [byIdentity(before), byIdentity(after)];
  const removed = [...old].flatMap(([id, found]) => (now.has(id) ? [] : found));
  const added: Finding[] = [];
  const changed: ChangedFinding[] = [];
  for (const [id, found] of now) {
    const was = old.get(id);
    const [from, to] = [detailsOf(was ?? []), detailsOf(found)];
    if (!was) added.push(...found);
    else if (from !== to) changed.push({ kind: found[0]!.kind, name: found[0]!.name, from, to });
  }
  return { grew: added.length + changed.length > 0, added, removed, changed };
}

/** A name may be there twice: one socket that two units open. */
function byIdentity(findings: readonly Finding[]): ReadonlyMap<string, readonly Finding[]> {
  const found = new Map<string, Finding[]>();
  for (const finding of findings) {
    const id = `${finding.kind} ${finding.name}`;
    found.set(id, [...(found.get(id) ?? []), finding]);
  }
  return found;
}

const detailsOf = (findings: readonly Finding[]): string =>
  [...new Set(findings.map(({ detail }) => detail))].toSorted().join("; ");
