/** @portable The kernel command line: what the image says, what the boot loader adds. docs/formats/cmdline.md */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import type { Guid } from "./guid.ts";
import { BOOT_TARGETS, type BootTarget } from "./slots.ts";

/** Part of the image: signed with it, never changed by the boot loader. */
export interface ImageArguments {
  /** Root of the dm-verity tree: 64 lower-case hexadecimal digits. */
  readonly rootHash: string;
  /** The recipe's own words. */
  readonly words?: readonly string[];
}
/** Added by the boot loader: which copy of the image this boot uses. */
export interface LoaderArguments {
  readonly slot: BootTarget;
  /** GUID of the partition whose file system holds the image. */
  readonly disk: Guid;
  /** Path of the image in that file system: `/a.img`. */
  readonly file: string;
  /** Id of the trial that the kernel arguments of this boot belong to. */
  readonly trial?: string;
}
/** In place of a boot loader's: the image came with the initrd, and no disk is looked for. */
export interface RamArguments {
  readonly slot: "ram";
  /** Of the whole image: memory that ran out shows as less. */
  readonly size: Bytes;
  /** That the machine needs, for a message. */
  readonly memory?: Bytes;
}
/** What the initrd needs to know. */
export type BootArguments = (LoaderArguments | RamArguments) & {
  readonly rootHash: string;
  /** Seconds that a failure stays on the screen before the reboot, as for the kernel's own panics. */
  readonly panicSeconds: number;
};

/** Where the initrd of a boot from memory holds the image. */
export const RAM_IMAGE = "/system.img";

/** What people call a target: `slot a`, `recovery`, `memory`. */
export function targetName(target: BootTarget | "ram"): string {
  if (target === "ram") return "memory";
  return target === "recovery" ? target : `slot ${target}`;
}

/**
 * A kernel that cannot go on restarts, from its first moment on: the boot loader then counts a try. A processor counts as stuck after twice
 * `watchdog_thresh` seconds; the default of 10 is too little for virtual machines of a busy host.
 * Source: Linux, Documentation/admin-guide/kernel-parameters.txt and lockup-watchdogs.rst
 */
const LOCK_UPS = ["panic=5", "oops=panic", "softlockup_panic=1", "nmi_watchdog=panic", "watchdog_thresh=30"] as const;
/** Words of every image. The last console is `/dev/console`. */
const ALWAYS = [...LOCK_UPS, "console=tty0", "console=ttyS0"] as const;
const DEFAULT_PANIC_SECONDS = 5;

const HASH = /^[0-9a-f]{64}$/;
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const SIZE = /^[1-9]\d{0,14}$/;
const FILE = /^(\/[\w.-]+)+$/;
const TRIAL = /^[0-9a-f]{8}$/;

/** Words of an image, the recipe's own last. */
export const imageWords = (words: readonly string[]): string[] => [...ALWAYS, ...words];

/** The image's part of the command line. */
export function imageCommandLine({ rootHash, words = [] }: ImageArguments): string {
  return [`petrify.roothash=${checked("petrify.roothash", rootHash, HASH)}`, ...imageWords(words)].join(" ");
}

/** Terminals that the kernel of an image speaks on, virtual ones left out: `ttyS0`. @param words the recipe's own */
export function serialConsoles(words: readonly string[]): string[] {
  const consoles = imageWords(words).flatMap((word) => /^console=([a-zA-Z]+\d*)(?:,|$)/.exec(word)?.[1] ?? []);
  return [...new Set(consoles)].filter((name) => !/^(tty\d+|null)$/.test(name));
}

/** The boot loader's part, to follow the image's. GRUB's script writes the same words. */
export function loaderCommandLine({ slot, disk, file, trial }: LoaderArguments): string {
  return [
    `petrify.slot=${slot}`,
    `petrify.disk=${checked("petrify.disk", disk, GUID)}`,
    `petrify.file=${checked("petrify.file", file, FILE)}`,
    ...(trial === undefined ? [] : [`petrify.trial=${checked("petrify.trial", trial, TRIAL)}`]),
  ].join(" ");
}

/** The words of a boot from memory, to follow the image's. */
export const ramCommandLine = ({ size, memory }: Required<Pick<RamArguments, "size" | "memory">>): string =>
  `petrify.slot=ram petrify.size=${size} petrify.memory=${memory}`;

/**
 * Reads `/proc/cmdline`. Words that are not petrify's belong to others and are passed over.
 *
 * @throws AppError `CMDLINE_INVALID` naming the argument that is missing, malformed or there twice with different values
 */
export function parseCommandLine(text: string): BootArguments {
  const values = new Map<string, string>();
  for (const [name, value] of commandLineWords(text)) {
    if (!name.startsWith("petrify.") && name !== "panic") continue;
    const earlier = values.get(name);
    if (earlier !== undefined && earlier !== value && name !== "panic") {
      throw invalid(`has ${name} twice: ${earlier} and ${value}`);
    }
    values.set(name, value);
  }
  const value = (name: string, form: RegExp): string => checked(name, values.get(name)?.toLowerCase(), form);
  const slot = [...BOOT_TARGETS, "ram" as const].find((target) => target === values.get("petrify.slot"));
  if (!slot) throw invalid(describe("petrify.slot", values.get("petrify.slot")));
  const common = {
    rootHash: checked("petrify.roothash", values.get("petrify.roothash"), HASH),
    panicSeconds: panicSeconds(values.get("panic")),
  };
  if (slot === "ram") {
    const memory = values.has("petrify.memory") ? { memory: Number(value("petrify.memory", SIZE)) } : {};
    return { ...common, slot, size: Number(value("petrify.size", SIZE)), ...memory };
  }
  return {
    ...common,
    slot,
    disk: value("petrify.disk", GUID),
    file: checked("petrify.file", values.get("petrify.file"), FILE),
    ...(values.has("petrify.trial") ? { trial: value("petrify.trial", TRIAL) } : {}),
  };
}

/** As the kernel does it: blanks separate, except within double quotes, which are dropped around a word or a value. */
export function commandLineWords(text: string): [name: string, value: string][] {
  const words = text.match(/(?:"[^"]*"?|[^\s"])+/g) ?? [];
  return words.map((word) => splitOnce(word.replaceAll('"', "")));
}

function splitOnce(word: string): [name: string, value: string] {
  const at = word.indexOf("=");
  return at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
}

/** 0 and negative numbers ask the kernel to wait forever or not at all; a failed boot never waits forever. */
function panicSeconds(text: string | undefined): number {
  const seconds = Number(text ?? DEFAULT_PANIC_SECONDS);
  return Number.isInteger(seconds) && seconds > 0 ? Math.min(seconds, 60) : DEFAULT_PANIC_SECONDS;
}

function checked(name: string, value: string | undefined, form: RegExp): string {
  if (value === undefined || !form.test(value)) throw invalid(describe(name, value));
  return value;
}

const describe = (name: string, value: string | undefined): string =>
  value === undefined ? `has no ${name}` : `has a malformed ${name}: ${JSON.stringify(value.slice(0, 80))}`;

const invalid = (what: string): AppError => new AppError("CMDLINE_INVALID", `the kernel command line ${what}`);
