/**
 * @portable The `tries` half of the boot record: a GRUB environment block in a file of the efi partition, overwritten in place by GRUB
 * (`save_env`) and by Linux. Format: docs/formats/boot-record.md.
 */
import { decodeEnvBlock, encodeEnvBlock } from "./env-block.ts";
import { matching } from "./record.ts";
import { MAX_TRIES, type BootTarget, type SlotName } from "./slots.ts";

/** How often each slot may still be booted, and what is to be booted once instead. */
export interface Tries extends Readonly<Record<SlotName, number>> {
  readonly next?: BootTarget;
}

/** Every variable of the block, and what it may hold: POSIX extended regular expressions, so GRUB checks the same. */
export const TRIES_FIELDS: Readonly<Record<string, string>> = {
  try_a: `^[0-${MAX_TRIES}]$`,
  try_b: `^[0-${MAX_TRIES}]$`,
  next: "^(a|b|recovery)?$",
};

/** @returns the 1024 bytes of the file */
export function encodeTries({ a, b, next }: Tries): Uint8Array {
  for (const count of [a, b]) {
    if (!(Number.isInteger(count) && count >= 0 && count <= MAX_TRIES)) throw new Error(`boot record: ${count} tries`);
  }
  return encodeEnvBlock({ try_a: String(a), try_b: String(b), next: next ?? "" });
}

/** `undefined`: unreadable, so nothing on trial and no `next` may be booted. Never throws. */
export function decodeTries(block: Uint8Array): Tries | undefined {
  const fields = matching(decodeEnvBlock(block) ?? new Map(), TRIES_FIELDS);
  if (!fields) return undefined;
  const next = fields["next"] as BootTarget | "";
  return { a: Number(fields["try_a"]), b: Number(fields["try_b"]), ...(next ? { next } : {}) };
}
