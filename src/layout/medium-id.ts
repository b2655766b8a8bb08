/** @portable Which install medium a disk is. docs/concepts/install.md; source: ECMA-119, section 8.4.19 */
import type { Bytes } from "../core/units.ts";
import { latin1Text } from "./env-block.ts";

/** The volume set identifier of the primary volume descriptor: on a CD and on a USB stick at the same byte. */
export const MEDIUM_ID_AT: Bytes = 32_768 + 190;
export const MEDIUM_ID_SIZE: Bytes = 128;

/** What the volume set of a medium is called. @param id 32 hexadecimal digits in lower case */
export const mediumName = (id: string): string => `petrify-medium-${id}`;

/** The id; nothing of what is no medium of petrify's. @param bytes {@link MEDIUM_ID_SIZE} of them, from {@link MEDIUM_ID_AT} */
export const mediumIdOf = (bytes: Uint8Array): string | undefined =>
  /^petrify-medium-([0-9a-f]{32}) *$/i.exec(latin1Text(bytes))?.[1]?.toLowerCase();
