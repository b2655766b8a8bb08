/** @portable A text with a format and a number, in a file of a fixed size: of two such files the one with the higher number counts. */
import type { Bytes } from "../core/units.ts";
import { checkedHeaderSize, decodeCheckedText, encodeCheckedText } from "./checked-text.ts";

export interface NumberedKind {
  /** First word of the file: `petrify-state`. */
  readonly name: string;
  /** 1 … 9: what this software writes, and reads. */
  readonly format: number;
  /** Of the file: at most 96 KiB. */
  readonly size: Bytes;
}
/** What one file says. */
export type NumberedText =
  | { readonly is: "whole"; readonly sequence: number; readonly text: string }
  /** Undamaged, of newer software: left alone. */
  | { readonly is: "newer"; readonly sequence: number }
  | { readonly is: "unreadable" };

const signatureOf = ({ name, format }: NumberedKind): string => `${name} ${format}`;

/** @param text ASCII @returns the whole file; nothing where the text does not fit */
export function encodeNumbered(kind: NumberedKind, sequence: number, text: string): Uint8Array | undefined {
  const signature = signatureOf(kind);
  const body = `${kind.format} ${sequence}\n${text}\n`;
  if (body.length > kind.size - checkedHeaderSize(signature)) return undefined;
  const bytes = new Uint8Array(kind.size);
  bytes.set(encodeCheckedText(signature, body));
  return bytes;
}

/** Never throws: whatever is not certainly such a text is `unreadable`. */
export function decodeNumbered(kind: NumberedKind, bytes: Uint8Array): NumberedText {
  const signature = signatureOf(kind);
  const body = decodeCheckedText(signature, bytes, `${kind.name} [1-9]`);
  // Said twice, the second time under the checksum: a flipped bit must not look like newer software.
  const match = /^([1-9]) ([1-9]\d{0,14})\n([^]*?)\n?$/.exec(body ?? "");
  if (!match || match[1] !== String.fromCharCode(bytes[signature.length - 1]!)) return { is: "unreadable" };
  const sequence = Number(match[2]);
  return match[1] === String(kind.format) ? { is: "whole", sequence, text: match[3]! } : { is: "newer", sequence };
}
