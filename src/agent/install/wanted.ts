/** What is to be installed without anybody being asked: pure decisions. docs/concepts/install.md */
import { hex, type Sha256 } from "../../core/digest.ts";
import { errorDocument, type ErrorDocument } from "../../core/error.ts";
import type { InstallWish, InstallWords } from "../../layout/install-words.ts";
import type { InstallDisk, InstallRequest } from "../../layout/install.ts";

/** A machine config as it was found, in one of the places that are looked at. */
export interface FoundConfig {
  /** Where, for people. */
  readonly origin: string;
  /** What it says; or why it is not there yet; or why it is of no use. */
  readonly is:
    | { readonly text: string; readonly install: InstallWish }
    | { readonly awaited: string }
    | { readonly problem: ErrorDocument };
}

/** What somebody has asked for, as far as that can be told now. */
export type Wanted =
  | { readonly is: "nothing" }
  | { readonly is: "awaited"; readonly why: string }
  | { readonly is: "problem"; readonly problem: ErrorDocument }
  | { readonly is: "install"; readonly request: InstallRequest; readonly from: string };

/**
 * The first that names a disk: the command line, then the configs in their order. Where it is the command line, the first config there is goes onto the
 * disk. A config with a problem is not passed over: what comes after it may be the opposite of what it was to say.
 */
export function wanted(
  { wish, medium }: Pick<InstallWords, "wish" | "medium">,
  configs: readonly FoundConfig[],
  { rootHash, sha256 }: { readonly rootHash: string; readonly sha256: Pick<Sha256, "digest"> },
): Wanted {
  const requestOf = (found: InstallWish, text?: string): InstallRequest | undefined => {
    const { device, wipe = false, after = "reboot" } = { ...found, ...wish };
    if (device === undefined) return undefined;
    const digest = hex(sha256.digest(new TextEncoder().encode(text ?? "")));
    const source = `${medium ?? rootHash}:${digest}`;
    return { device, wipe, after, source, ...(text === undefined ? {} : { config: text }) };
  };
  for (const { origin, is } of configs) {
    if ("problem" in is) return { is: "problem", problem: is.problem };
    if ("awaited" in is) return { is: "awaited", why: is.awaited };
    const request = requestOf(is.install, is.text);
    if (request) return { is: "install", request, from: wish.device === undefined ? origin : "the kernel command line" };
  }
  const request = requestOf({});
  return request ? { is: "install", request, from: "the kernel command line" } : { is: "nothing" };
}

/** How it looks, for people and for the console. */
export type AutomaticStatus =
  /** Nobody has asked for anything. */
  | { readonly is: "none" }
  /** It goes on by itself once that has changed. */
  | { readonly is: "waiting"; readonly text: string; readonly hint?: string }
  /** A person is needed. */
  | { readonly is: "stopped"; readonly text: string; readonly hint?: string }
  | { readonly is: "installing"; readonly text: string }
  | { readonly is: "installed"; readonly text: string };

/**
 * The status where this very installation has been done before; nothing where it has not. Whatever disk it is on: with `auto` the next start would else take
 * the next disk.
 */
export function doneBefore(source: string | undefined, disks: readonly InstallDisk[]): AutomaticStatus | undefined {
  const disk = disks.find(({ installedFrom }) => installedFrom !== undefined && installedFrom === source);
  if (!disk) return undefined;
  return {
    is: "stopped",
    text: `already installed: ${disk.target.path} was installed from this medium, with this config`,
    hint: "Remove the medium, or stop booting from the network, and restart. A person can install again, here or with `petrify install`.",
  };
}

/** Reasons that go away when a disk is plugged in, or answers at last. */
const PASSING = new Set(["DEVICE_MISSING", "DEVICE_EMPTY"]);

/** What follows from an installation that was refused, or failed. */
export function afterFailure(error: unknown): AutomaticStatus {
  const { code, message, hint } = errorDocument(error);
  return { is: PASSING.has(code) ? "waiting" : "stopped", text: message, ...(hint === undefined ? {} : { hint }) };
}
