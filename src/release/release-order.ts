/** @portable Which of two releases is the older one. docs/formats/release.md */
import { compareSemver, parseSemver } from "../core/semver.ts";

export interface Dated {
  readonly version: string;
  /** Seconds since 1970. */
  readonly created: number;
}

/** By version where both are semantic versions of different precedence, else by the time of creation. @returns below 0: `a` is older */
export function compareReleases(a: Dated, b: Dated): number {
  const [x, y] = [parseSemver(a.version), parseSemver(b.version)];
  return (x && y ? compareSemver(x, y) : 0) || a.created - b.created;
}
