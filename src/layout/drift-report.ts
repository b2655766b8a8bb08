/** @portable Where a machine is no longer as its config says: `/run/petrify/drift.json`. docs/formats/stages.md */
import { RUN_FOLDER } from "./fstab.ts";

/** For root only. */
export const DRIFT_PATH = `${RUN_FOLDER}/drift.json`;
const FORMAT = 1;

export interface DriftReport {
  /** When it was looked, in seconds since 1970. */
  readonly at: number;
  /** Of the config. */
  readonly generation: number;
  /** What follows from it. */
  readonly mode: "report" | "mend";
  /** What was another than the config says, a sentence each; without contents. */
  readonly found: readonly string[];
  /** What of it could not be mended; absent until that was tried. */
  readonly left?: readonly string[];
}

export const encodeDrift = (report: DriftReport): string => `${JSON.stringify({ format: FORMAT, ...report })}\n`;

/** Of this boot, so nothing but the format is checked. @returns nothing for what cannot be read */
export function parseDrift(text: string): DriftReport | undefined {
  try {
    const { format, ...report } = JSON.parse(text) as DriftReport & { readonly format?: unknown };
    return format === FORMAT ? report : undefined;
  } catch {
    return undefined;
  }
}
