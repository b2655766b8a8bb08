/** @portable One thing that somebody who attacks a machine could use. docs/concepts/attack-surface.md */
import { PROGRAM_ROLES } from "./program-roles.ts";

/** In the order in which they are shown. */
export const FINDING_KINDS = [
  "executable",
  ...PROGRAM_ROLES,
  ...(["setuid", "setgid", "capability", "worldWritable"] as const),
  ...(["listensNetwork", "listensLocal", "rootService", "hook"] as const),
  ...(["writableExecutable", "console", "kernelSetting", "kernelModule"] as const),
  ...(["account", "package"] as const),
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

export interface Finding {
  readonly kind: FindingKind;
  /** A path, or whatever else names it among its kind. */
  readonly name: string;
  /** What else there is to say; empty if nothing. Never a version: an update alone is no change. */
  readonly detail: string;
}
