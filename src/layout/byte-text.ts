/** @portable Names in archives: bytes that are most often UTF-8 and need not be. They are kept as strings with one character a byte. */

/** One character a byte: `é` of UTF-8 is two. Equal names are equal strings, whatever they are encoded in. */
export type ByteText = string;

const PIECE = 8192;

export function byteText(bytes: Uint8Array): ByteText {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) {
    const piece = at === 0 && bytes.length <= PIECE ? bytes : bytes.subarray(at, at + PIECE);
    // Spreading would go through an iterator, ten times as slow; there may be a million names.
    text += String.fromCharCode.apply(undefined, piece as unknown as number[]);
  }
  return text;
}

export function bytesOfText(text: ByteText): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const LONGEST_SHOWN = 200;

/** For people: as UTF-8, without what would change a terminal, and not longer than a message can hold. */
export function shownText(text: ByteText): string {
  const cut = text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
  const readable = cut.endsWith("…")
    ? `${new TextDecoder().decode(bytesOfText(cut.slice(0, -1)))}…`
    : new TextDecoder().decode(bytesOfText(cut));
  return readable.replaceAll(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\x${character.codePointAt(0)!.toString(16).padStart(2, "0")}`,
  );
}
