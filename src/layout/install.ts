/** @portable Installing the system that runs from memory to a disk: what is asked, and what is told. docs/concepts/install.md */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import type { FlashPhase } from "./flash-plan.ts";
import type { FlashTarget, Refusal } from "./flash-target.ts";
import { INSTALL_SOURCE } from "./install-mark.ts";

/** What the machine does once it is installed. */
export const AFTER_INSTALL = ["reboot", "poweroff", "stay"] as const;
export type AfterInstall = (typeof AFTER_INSTALL)[number];

/** Calls of the agent, method and path; only in a system that runs from memory. */
export const INSTALL_CALLS = {
  disks: "GET /install/disks",
  plan: "POST /install/plan",
  install: "POST /install",
  /** News of the installation that is under way, or of the last one; none where there was none. */
  follow: "GET /install",
  /** Whether one is under way, and what is installed without anybody being asked. */
  automatic: "GET /install/automatic",
} as const;

export interface InstallRequest {
  /** Path, name of /dev/disk/by-id, `serial:…`, `size:…`, `auto`. */
  readonly device: string;
  /** Overwrite a disk that holds data. */
  readonly wipe: boolean;
  readonly after: AfterInstall;
  /** Text of the machine config for the new disk. */
  readonly config?: string;
  /** What began it, where nobody did: an id of medium and config. */
  readonly source?: string;
  /** What the machine is to have besides, and is known by: from its owner, of whom the agent alone is told. */
  readonly files?: readonly OemFile[];
}
/** A file of the oem partition. Nobody but root may read it. */
export interface OemFile {
  /** From the partition's root: `identity/node-key.pem`. */
  readonly path: string;
  readonly text: string;
}
/** How far an installation is, or how it has ended. */
export interface InstallStatus {
  readonly is: "running" | "done" | "failed";
  /** Path, as far as it is known. */
  readonly disk: string;
  readonly after: AfterInstall;
  /** What is done now, or why it has failed. */
  readonly text: string;
  /** Of what is done now. */
  readonly percent?: number;
}
/** A disk, and every reason against installing to it (without `wipe`). */
export interface InstallDisk {
  readonly target: FlashTarget;
  readonly refusals: readonly Refusal[];
  /** {@link InstallRequest.source} of the installation on it. */
  readonly installedFrom?: string;
}
export interface InstallPlan {
  readonly disk: InstallDisk;
  /** How it was chosen, a sentence. */
  readonly rule: string;
  readonly image: { readonly name: string; readonly version: string; readonly size: Bytes };
  readonly slotSize: Bytes;
  /** The smallest disk that it fits. */
  readonly needed: Bytes;
}
/** In this order: before anything is written, the image in memory is checked with its manifest. */
export type InstallPhase = "checking" | FlashPhase;
export type InstallNews =
  | { readonly plan: InstallPlan }
  | { readonly phase: InstallPhase; readonly done: Bytes; readonly total: Bytes }
  | { readonly installed: Installed };
export interface Installed {
  /** Path. */
  readonly disk: string;
  readonly name: string;
  readonly version: string;
  /** Of the new node's key: `SHA256:…`. */
  readonly fingerprint: string;
  readonly after: AfterInstall;
  readonly seconds: number;
}

/** @throws AppError `REQUEST_INVALID` */
export function parseInstallRequest(body: unknown): InstallRequest {
  const { device, wipe, ...rest } = parsePlanRequest(body, ["after", "config", "source"]);
  const after = AFTER_INSTALL.find((one) => one === (rest["after"] ?? AFTER_INSTALL[0]));
  if (!after) throw invalid(`after: one of ${AFTER_INSTALL.join(", ")}`);
  const text = (name: string): { readonly [name: string]: string } => {
    const value = rest[name];
    if (value === undefined) return {};
    if (typeof value !== "string") throw invalid(`${name}: a text`);
    return { [name]: value };
  };
  const source = text("source");
  if (source["source"] !== undefined && !INSTALL_SOURCE.test(source["source"]))
    throw invalid("source: letters, digits and ._:+/=-");
  return { device, wipe, after, ...text("config"), ...source };
}

/** @param more names of fields that are no mistake @throws AppError `REQUEST_INVALID` */
export function parsePlanRequest(
  body: unknown,
  more: readonly string[] = [],
): Pick<InstallRequest, "device" | "wipe"> & Readonly<Record<string, unknown>> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw invalid("an object is expected");
  const { device, wipe = false, ...rest } = body as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(rest).find((key) => !more.includes(key));
  if (unknown !== undefined) throw invalid(`there is no ${unknown}`);
  if (typeof device !== "string" || device === "") throw invalid("device: the name of a disk");
  if (typeof wipe !== "boolean") throw invalid("wipe: true or false");
  return { ...rest, device, wipe };
}

const invalid = (why: string): AppError => new AppError("REQUEST_INVALID", `the request is not understood: ${why}`);
