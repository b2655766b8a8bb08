/** @portable A small text file that tells whether it is whole: its format in the first line, a checksum of everything before it in the last. */
import { bytesOfText } from "./byte-text.ts";
import { crc32 } from "./crc32.ts";

/** What a file turned out to be. Every format of a file has the same first and last line. */
export type CheckedLines =
  | { readonly is: "whole"; readonly lines: readonly string[] }
  /** Whole, and of software that is newer than this. */
  | { readonly is: "newer"; readonly format: number }
  | { readonly is: "damaged" };

export const DAMAGED = { is: "damaged" } as const;

const LAST = /^crc32 ([0-9a-f]{8})\n$/;
const LAST_SIZE = "crc32 00000000\n".length;

/** @param lines Latin-1, without line feeds */
export function encodeCheckedLines(name: string, format: number, lines: readonly string[]): string {
  const text = [`${name} ${format}`, ...lines, ""].join("\n");
  return `${text}crc32 ${digits(textCrc(text))}\n`;
}

/** Never throws. @param crc of a text, as a number: for long ones, an engine may have a faster way */
export function decodeCheckedLines(name: string, format: number, text: string, crc = textCrc): CheckedLines {
  const content = text.slice(0, -LAST_SIZE);
  if (LAST.exec(text.slice(content.length))?.[1] !== digits(crc(content)) || !content.endsWith("\n")) return DAMAGED;
  const [first, ...lines] = content.slice(0, -1).split("\n");
  const found = first!.startsWith(`${name} `) ? first!.slice(name.length + 1) : "";
  if (!/^[1-9]\d{0,5}$/.test(found)) return DAMAGED;
  if (Number(found) === format) return { is: "whole", lines };
  return Number(found) > format ? { is: "newer", format: Number(found) } : DAMAGED;
}

const textCrc = (text: string): number => crc32(bytesOfText(text));
const digits = (crc: number): string => crc.toString(16).padStart(8, "0");
