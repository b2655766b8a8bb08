/**
 * @portable The `tries` half of the boot record: a GRUB environment block in a file of the efi partition, overwritten in place by GRUB
 * (`save_env`) and by Linux. Format: docs/formats/boot-record.md.
 */
import { decodeEnvBlock, encodeEnvBlock } from "./env-block.ts";
import { matching } from "./env-copies.ts";
import { FULL_TRIES, MAX_TRIES, type BootTarget, type SlotName } from "./slots.ts";

/** How often each slot may still be booted, and what is to be booted once instead. */
export interface Tries extends Readonly<Record<SlotName, number>> {
  readonly next?: BootTarget;
  /** Boots that are still granted to kernel arguments on trial (kernel-args.ts); absent: none. */
  readonly args?: number;
}

/** Every variable of the block, and what it may hold: POSIX extended regular expressions, so GRUB checks the same. */
export const TRIES_FIELDS: Readonly<Record<string, string>> = {
  try_a: `^[0-${MAX_TRIES}]$`,
  try_b: `^[0-${MAX_TRIES}]$`,
  next: "^(a|b|recovery)?$",
};

/** Not of the first version of this file: missing, or with another value, it means that none are granted. */
export const ARGS_TRIES = { name: "try_args", pattern: `^[1-${FULL_TRIES.trial}]$` } as const;

/** @returns the 1024 bytes of the file */
export function encodeTries({ a, b, next, args = 0 }: Tries): Uint8Array {
  for (const [count, most] of [
    [a, MAX_TRIES],
    [b, MAX_TRIES],
    [args, FULL_TRIES.trial],
  ] as const) {
    if (!(Number.isInteger(count) && count >= 0 && count <= most)) throw new Error(`boot record: ${count} tries`);
  }
  return encodeEnvBlock({ try_a: String(a), try_b: String(b), next: next ?? "", [ARGS_TRIES.name]: String(args) });
}

/** `undefined`: unreadable, so nothing on trial and no `next` may be booted. Never throws. */
export function decodeTries(block: Uint8Array): Tries | undefined {
  const found = decodeEnvBlock(block) ?? new Map<string, string>();
  const fields = matching(found, TRIES_FIELDS);
  if (!fields) return undefined;
  const next = fields["next"] as BootTarget | "";
  const args = found.get(ARGS_TRIES.name) ?? "";
  return {
    ...{ a: Number(fields["try_a"]), b: Number(fields["try_b"]) },
    ...(next ? { next } : {}),
    ...(new RegExp(ARGS_TRIES.pattern).test(args) ? { args: Number(args) } : {}),
  };
}
