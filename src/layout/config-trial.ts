/** @portable That a machine config on trial has been laid down once: a block of the record partition. Format: docs/formats/generations.md */
import { KiB, type Bytes } from "../core/units.ts";
import { decodeCheckedText, encodeCheckedText } from "./checked-text.ts";

/** In the record partition: the initrd writes it, which has nothing else that it may write to. */
export const CONFIG_TRIAL_OFFSET: Bytes = 384 * KiB;
export const CONFIG_TRIAL_SIZE: Bytes = 4 * KiB;

const SIGNATURE = "petrify-config-trial 1";

/** {@link CONFIG_TRIAL_SIZE} bytes, all that counts in the first 512. @param id of the trial, 8 hexadecimal digits */
export const encodeConfigTrial = (id: string): Uint8Array => encodeCheckedText(SIGNATURE, `id: ${id}\n`);

/** The trial that was begun last; nothing where there is none, or not a whole one. Never throws. */
export const decodeConfigTrial = (block: Uint8Array): string | undefined =>
  /^id: ([0-9a-f]{8})$/m.exec(decodeCheckedText(SIGNATURE, block) ?? "")?.[1];
