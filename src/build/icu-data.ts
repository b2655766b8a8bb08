/**
 * ICU's data inside a program: what software that speaks English only never asks for is 25 MB of Node.
 *
 * Layout: a header (magic 0xda27 at byte 2, format `CmnD` at byte 12, its own size in its first two bytes), then a 32-bit count, then for
 * each item two 32-bit offsets, of its name and its data, counted from the count. Source: ICU, source/common/ucmndata.h
 */
import { AppError } from "../core/error.ts";

const HEADER = { magic: 2, format: 12 } as const;
const FORMAT = "CmnD";
/** The stubs that some programs have besides hold fewer. */
const FEWEST_ITEMS = 100;
/** Texts of one language: `de.res`, `lang/pt_BR.res`. */
const LANGUAGE = /^[^/]+\/(?:[a-z]+\/)?([a-z]{2,3}(?:_\w+)?)\.res$/;
const KEPT_LANGUAGES = new Set(["en", "en_US", "en_US_POSIX"]);
/** Converters of old character sets, dictionaries of scripts without blanks, transliteration. */
const NEVER = /\.cnv$|\.dict$|\/translit\/(?!en|root_index|res_index)/;

/** A copy in which every item that is not needed is zeros. ICU takes it for absent, and falls back to what every language shares. */
export function withoutLanguages(program: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(program); // not slice: that of a Buffer is the same memory
  const view = new DataView(bytes.buffer);
  const start = findData(bytes, view);
  const count = view.getUint32(start, true);
  const items = Array.from({ length: count }, (_, index) => {
    const [name, data] = [view.getUint32(start + 4 + 8 * index, true), view.getUint32(start + 8 + 8 * index, true)];
    return { name: text(bytes, start + name), data: start + data };
  });
  for (const [index, { name, data }] of items.entries()) {
    const end = items[index + 1]?.data; // items lie in the order of their names
    if (end !== undefined && end > data && !isNeeded(name)) bytes.fill(0, data, end);
  }
  return bytes;
}

function isNeeded(name: string): boolean {
  const language = LANGUAGE.exec(name)?.[1];
  if (language !== undefined) return KEPT_LANGUAGES.has(language);
  return !NEVER.test(name);
}

/** Where the count of items is. @throws AppError `ICU_DATA_MISSING` */
function findData(bytes: Uint8Array, view: DataView): number {
  const buffer = Buffer.from(bytes.buffer);
  for (let at = buffer.indexOf(FORMAT); at >= 0; at = buffer.indexOf(FORMAT, at + 1)) {
    const header = at - HEADER.format;
    if (header < 0 || view.getUint16(header + HEADER.magic, true) !== 0x27da) continue;
    const start = header + view.getUint16(header, true);
    if (start + 4 < bytes.length && view.getUint32(start, true) >= FEWEST_ITEMS) return start;
  }
  throw new AppError("ICU_DATA_MISSING", "this Node holds no data of ICU in the layout that is known");
}

const text = (bytes: Uint8Array, at: number): string => Buffer.from(bytes.buffer).toString("latin1", at, bytes.indexOf(0, at));
