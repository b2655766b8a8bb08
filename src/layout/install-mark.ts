/** @portable What began the installation of a disk, readable without mounting anything. docs/formats/install-mark.md */
import { KiB, type Bytes } from "../core/units.ts";
import { decodeCheckedText, encodeCheckedText } from "./checked-text.ts";

/** In the record partition: docs/formats/boot-record.md has its neighbours. */
export const INSTALL_MARK_OFFSET: Bytes = 320 * KiB;
export const INSTALL_MARK_SIZE: Bytes = 4 * KiB;

const SIGNATURE = "petrify-install 1";
/** Letters, digits and signs that no escape sequence begins with. */
export const INSTALL_SOURCE = /^[\w.:+/=-]{1,200}$/;

/** @param source matches {@link INSTALL_SOURCE} @returns {@link INSTALL_MARK_SIZE} bytes */
export function encodeInstallMark(source: string): Uint8Array {
  if (!INSTALL_SOURCE.test(source)) throw new Error(`install mark: ${JSON.stringify(source)}`);
  return encodeCheckedText(SIGNATURE, `source: ${source}\n`);
}

/** The source; nothing where there is none, or not whole. Never throws. */
export function decodeInstallMark(block: Uint8Array): string | undefined {
  const source = /^source: (.*)$/m.exec(decodeCheckedText(SIGNATURE, block) ?? "")?.[1];
  return source !== undefined && INSTALL_SOURCE.test(source) ? source : undefined;
}
