/** @portable Base64 with its padding. Source: RFC 4648, section 4. */
import { byteText, bytesOfText } from "./byte-text.ts";

export const base64 = (bytes: Uint8Array): string => btoa(byteText(bytes));

/** Nothing for anything but the one form that the encoder writes: no spaces, no missing padding, no bits left over. */
export function bytesOfBase64(text: string): Uint8Array | undefined {
  let bytes: Uint8Array;
  try {
    bytes = bytesOfText(atob(text));
  } catch {
    return undefined;
  }
  return base64(bytes) === text ? bytes : undefined;
}
