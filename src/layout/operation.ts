/** @portable What changes a machine's images, as the agent stores it: one operation at a time, and those that have ended. docs/formats/agent-state.md */
import type { Bytes } from "../core/units.ts";
import type { BootTarget, RecoveryFile, SlotName } from "./slots.ts";

/** Where an image comes from. `recovery`: the image that runs, where that is recovery. */
export type ImageSource =
  | { readonly is: "file"; readonly path: string }
  | { readonly is: "url"; readonly url: string }
  /** A release in a registry, or in a folder of images: `registry.example/edge:1.5.0`, `oci:FOLDER:1.5.0`; of an operation, by its digest. */
  | { readonly is: "registry"; readonly reference: string }
  | { readonly is: "recovery" };

/** A release that the machine has taken. */
export interface AcceptedRelease {
  /** Seconds since 1970: when it was made. */
  readonly created: number;
  /** Id of the trusted key that has signed it; nothing where the machine asks for no signature. */
  readonly signedBy?: string;
  /** The keys that are trusted once it is: kept before its image can boot. */
  readonly keys?: TrustedSet;
  /** It mends something that others could use. */
  readonly security?: true;
}
/** As src/release/trusted-keys.ts has it, which checks it. */
export interface TrustedSet {
  readonly format: 1;
  readonly epoch: number;
  readonly keys: readonly object[];
}
/** What came over the line. */
export interface Downloaded {
  /** At least: what came right before a cut may not be counted. */
  readonly bytes: Bytes;
  /** Of the whole image, packed. */
  readonly of: Bytes;
}

/** What an image says of itself. */
export interface ImageSummary {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of its manifest: which image it is. */
  readonly digest: string;
  readonly size: Bytes;
}

interface Common {
  /** 8 hexadecimal digits. */
  readonly id: string;
  /** Who or what asked for it, as the end of a sentence: "asked for by root", "no slot is whole". */
  readonly cause: string;
  /** Seconds since 1970. */
  readonly startedAt: number;
  /** What ran when it started. */
  readonly from: { readonly slot: BootTarget; readonly version: string };
}
/** Steps that bring an image to a place on the disk. */
interface Writing extends Common {
  readonly source: ImageSource;
  readonly image: ImageSummary;
  /** Bytes from the start of the image that are durable in its place; of a release, of its segments. */
  readonly written: Bytes;
  /** Of a release. */
  readonly release?: AcceptedRelease;
  /** How its bytes come, in a few words. */
  readonly way?: string;
  readonly downloaded?: Downloaded;
  /** Writes that have failed so far. */
  readonly failures: number;
}

/**
 * A slot gets an image and is booted on trial. `checking` (the source; nothing has changed) → `writing` (slot empty) → `verifying` (slot empty) → `flipping` → `flipped` (the slot is active and on trial)
 * → `trial` (it runs). `undoing`: it is taken back before it ran.
 */
export interface Upgrade extends Writing {
  readonly kind: "upgrade";
  readonly target: SlotName;
  /** Restart as soon as it is flipped; else somebody will. */
  readonly restart: boolean;
  readonly at: "checking" | "writing" | "verifying" | "flipping" | "flipped" | "trial" | "undoing";
  /** The slot has this image already: it is only verified. */
  readonly reused: boolean;
  /** It ends once the image is verified: the slot stays empty, and a later upgrade finds in it what it needs. */
  readonly only?: "download";
  /** A second at the most, of a release. */
  readonly bandwidth?: Bytes;
  /** Of the boot in which it was flipped. */
  readonly bootId?: string;
}
/** The other slot is made the active one again: `verifying` → `flipping` → `flipped`. */
export interface Rollback extends Common {
  readonly kind: "rollback";
  readonly target: SlotName;
  readonly image: Pick<ImageSummary, "digest">;
  readonly restart: boolean;
  readonly at: "verifying" | "flipping" | "flipped";
  readonly bootId?: string;
}
/** The recovery file that is not in use gets an image and becomes the current one: `checking` → `writing` → `verifying` → `switching`. */
export interface RecoveryUpgrade extends Writing {
  readonly kind: "recovery-upgrade";
  readonly target: RecoveryFile;
  readonly at: "checking" | "writing" | "verifying" | "switching";
}
export type Operation = Upgrade | Rollback | RecoveryUpgrade;

/** A boot that was asked for once, instead of the active slot. */
export interface AskedBoot {
  readonly into: BootTarget;
  /** The kernel's id of the boot in which it was asked for. */
  readonly during: string;
  /** Of the boot that came of it. */
  readonly reached?: string;
}

/**
 * `succeeded`; `failed`: nothing else boots than before; `fell back`: it was booted, and left again; `cancelled` by somebody; `replaced` by a later
 * operation before it had ended.
 */
export const OUTCOMES = ["succeeded", "failed", "fell back", "cancelled", "replaced"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Why something did not succeed. */
export interface Failure {
  /** One sentence. */
  readonly reason: string;
  /** Of the error that ended it, where one did. */
  readonly code?: string;
  /** What can be done about it. */
  readonly hint?: string;
}

/** An operation that has ended. */
export interface FinishedOperation extends Pick<Common, "id" | "cause" | "startedAt" | "from">, Partial<Failure> {
  readonly kind: Operation["kind"] | "reset" | "wipe";
  /** Place on the disk: `slot b`, `recovery 2`; of a reset, what was wiped. */
  readonly target: string;
  readonly image: Partial<ImageSummary>;
  /** Seconds since 1970. */
  readonly endedAt: number;
  readonly outcome: Outcome;
  /** An upgrade that was to bring the image here, and no more. */
  readonly only?: "download";
  /** Of a release: how its bytes came, and how many. */
  readonly way?: string;
  readonly downloaded?: Downloaded;
}
