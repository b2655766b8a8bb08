/**
 * @portable Words that machine configs add to the kernel's command line, or leave out of it, as the boot loader reads them: raw blocks of the record
 * partition, written by Linux only. Format: docs/formats/kernel-args.md
 */
import { KiB, type Bytes } from "../core/units.ts";
import { COPY_SIZE, firstCopies, newestCopy, nextCopyWrite, type CopiesKind, type Fields, type FoundCopy } from "./env-copies.ts";
import type { Patch } from "./patch.ts";
import { SLOTS, type SlotName } from "./slots.ts";

export const KERNEL_ARGS_BLOCK_SIZE: Bytes = COPY_SIZE;

/** What a config wants of the command line. */
export interface KernelArgs {
  /** Follow the image's words and the loader's. */
  readonly append: readonly string[];
  /** Words of the image. */
  readonly remove: readonly string[];
}
/** Tried by as many boots as the tries grant, and kept only where one of them is healthy. */
export interface KernelArgsTrial extends KernelArgs {
  /** 8 hexadecimal digits: the config trial's. */
  readonly id: string;
  readonly slot: SlotName;
}
export interface StoredKernelArgs {
  /** What each slot boots with. */
  readonly slots: Readonly<Record<SlotName, KernelArgs>>;
  readonly trial?: KernelArgsTrial;
}

export const NO_KERNEL_ARGS: KernelArgs = { append: [], remove: [] };
export const EMPTY_KERNEL_ARGS: StoredKernelArgs = { slots: { a: NO_KERNEL_ARGS, b: NO_KERNEL_ARGS } };

/** Of one word. Nothing that GRUB's script or the kernel would take apart: blanks, quotes, `$`, `\`, wildcards. */
const WORD = /^[A-Za-z0-9][A-Za-z0-9_.,:=/@%+!-]{0,199}$/;
const WORDS = "^[A-Za-z0-9_.,:=/@%+! -]*$";
/** Of all words of a list, with the blanks between them: three lists of each kind fill the block, and the kernel reads 2047 bytes in all. */
export const KERNEL_ARGS_LIMIT: Bytes = 450;

/**
 * Words that decide what runs, where that comes from, or whether a machine that is stuck restarts; with the reason why a config cannot set them. By their
 * names, with `_` for `-`.
 */
const REFUSED: readonly (readonly [names: RegExp, why: string])[] = [
  [/^petrify\./, "petrify.* is set by petrify"],
  [/^(?:root|rootfstype|rootflags|rootwait|rootdelay|roothash|usrhash|dm_(?:mod|verity)\..*)$/, "the root is found by its hash"],
  [/^(?:ro|rw)$/, "the root is always read-only"],
  [/^init$/, "the image's own init is started"],
  [/^(?:rdinit|rd\..*|initrd|initrdmem|noinitrd)$/, "the image's own initrd is started"],
  [/^(?:single|emergency|rescue|auto|[sS]|\d)$/, "the init starts what the image says: use units"],
  // Units, generators' commands, credentials and a shell on a console; what only changes how much is said is nobody's business.
  [/^systemd\.(?!(?:log_\w+|show_status|status_unit_format|cpu_affinity)$)/, "the init starts what the image says: use units"],
  [
    /^(?:panic|oops|softlockup_panic|hardlockup_panic|nmi_watchdog|watchdog_thresh|nowatchdog|nosoftlockup)$/,
    "a kernel that is stuck has to restart, or nothing would fall back",
  ],
  [/^(?:ds|config_url|cloud_config_url|cloud_init)$/, "a machine config cannot say where machine configs come from"],
];

/** Why a word cannot be added or left out; nothing where it can. */
export function kernelArgProblem(word: string): string | undefined {
  if (!WORD.test(word)) return "must be one word of letters, digits and _ . , : = / @ % + ! -, and begin with a letter or digit";
  // The kernel takes - for _ in names. Source: Linux, kernel/params.c, parameq()
  const name = word.split("=", 1)[0]!.replaceAll("-", "_");
  const [, why] = REFUSED.find(([pattern]) => pattern.test(name)) ?? [];
  return why === undefined ? undefined : `cannot be set: ${why}`;
}

/** Why the words cannot be taken together. */
export function kernelArgsProblem({ append, remove }: KernelArgs): string | undefined {
  const isLong = [append, remove].some((words) => words.join(" ").length > KERNEL_ARGS_LIMIT);
  return isLong ? `have more than ${KERNEL_ARGS_LIMIT} characters in all` : undefined;
}

/** In one order: the kernel takes the last of a name. */
export const sameKernelArgs = (one: KernelArgs, other: KernelArgs): boolean =>
  one.append.join(" ") === other.append.join(" ") && one.remove.join(" ") === other.remove.join(" ");

/** What a boot of a slot is given beyond its image's words. `trial`: the id of the one that is tried. */
export interface ChosenKernelArgs extends KernelArgs {
  readonly trial?: string;
}

export const KERNEL_ARGS: CopiesKind = {
  name: "kernel arguments",
  format: 1,
  offsets: [448 * KiB, 768 * KiB],
  room: { size: 3 * KiB, end: 3 * KiB },
  fields: {
    append_a: WORDS,
    remove_a: WORDS,
    append_b: WORDS,
    remove_b: WORDS,
    trial: "^([0-9a-f]{8})?$",
    trial_slot: "^(a|b)?$",
    trial_append: WORDS,
    trial_remove: WORDS,
  },
};

/** What both copies say: nothing where neither is readable, as on a disk whose loader knows of none, or where newer software has written them. */
export interface FoundKernelArgs {
  readonly stored: StoredKernelArgs | undefined;
  readonly found: FoundCopy;
}

export function newestKernelArgs(blocks: readonly (Uint8Array | undefined)[]): FoundKernelArgs {
  const found = newestCopy(KERNEL_ARGS, blocks);
  return { found, stored: found.newest.is === "whole" ? storedOf(found.newest.value) : undefined };
}

/** As {@link nextCopyWrite}. */
export const nextKernelArgsWrite = ({ found }: FoundKernelArgs, stored: StoredKernelArgs): Patch =>
  nextCopyWrite(KERNEL_ARGS, found, fieldsOf(stored));

/** What a new disk gets. Offsets count from the start of the record partition. */
export const firstKernelArgs = (stored: StoredKernelArgs): readonly Patch[] => firstCopies(KERNEL_ARGS, fieldsOf(stored));

function fieldsOf({ slots: { a, b }, trial }: StoredKernelArgs): Fields {
  return {
    append_a: a.append.join(" "),
    remove_a: a.remove.join(" "),
    append_b: b.append.join(" "),
    remove_b: b.remove.join(" "),
    trial: trial?.id ?? "",
    trial_slot: trial?.slot ?? "",
    trial_append: trial?.append.join(" ") ?? "",
    trial_remove: trial?.remove.join(" ") ?? "",
  };
}

function storedOf(fields: Fields): StoredKernelArgs {
  const words = (name: string): string[] => fields[name]!.split(" ").filter((word) => word !== "");
  const slot = SLOTS.find((name) => name === fields["trial_slot"]);
  const id = fields["trial"];
  const trial = { append: words("trial_append"), remove: words("trial_remove") };
  return {
    slots: {
      a: { append: words("append_a"), remove: words("remove_a") },
      b: { append: words("append_b"), remove: words("remove_b") },
    },
    ...(slot && id ? { trial: { id, slot, ...trial } } : {}),
  };
}
