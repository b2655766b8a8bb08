/** @portable What a network comes to. */
import type { NetworkProblem } from "./checks.ts";

export interface RenderedFile {
  readonly path: string;
  readonly mode: number;
  readonly text: string;
  /** Default: `root:root` */
  readonly owner?: string;
}
export interface RenderedNetwork {
  readonly files: readonly RenderedFile[];
  /** Interfaces that need wpa_supplicant, each with a file for it. */
  readonly supplicants: readonly Supplicant[];
  /** What this program cannot do. */
  readonly unsupported: readonly NetworkProblem[];
}
export interface Supplicant {
  readonly interface: string;
  readonly wired: boolean;
}
