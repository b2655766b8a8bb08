/** @portable By which file name OpenSSL finds an authority: a digest of its subject. Source: X509_NAME_hash(3), `crypto/x509/x_name.c`; X.690 */

/** Identifier octets of strings, which OpenSSL compares without regard to case and spaces. */
const STRINGS: Readonly<Record<number, (bytes: Uint8Array) => string>> = {
  0x0c: (bytes) => new TextDecoder().decode(bytes),
  0x13: latin1,
  0x14: latin1,
  0x16: latin1,
  0x1a: latin1,
  0x1e: (bytes) => unitsOf(bytes, 2),
  0x1c: (bytes) => unitsOf(bytes, 4),
};
const UTF8_STRING = 0x0c;
const [SEQUENCE, SET, INTEGER, VERSION] = [0x30, 0x31, 0x02, 0xa0] as const;

interface Value {
  readonly tag: number;
  readonly body: Uint8Array;
}

/**
 * The name of a link to a certificate, without the number after it: `5ed36f99`.
 *
 * @param der one X.509 certificate @param sha1 the digest of bytes
 * @returns nothing for anything else
 */
export function subjectHash(der: Uint8Array, sha1: (bytes: Uint8Array) => Uint8Array): string | undefined {
  const subject = subjectOf(der);
  const canonical = subject && canonicalName(subject);
  if (!canonical) return undefined;
  const digest = sha1(canonical);
  return [3, 2, 1, 0].map((index) => digest[index]!.toString(16).padStart(2, "0")).join("");
}

/** What is in the subject's sequence: RFC 5280, 4.1 */
function subjectOf(der: Uint8Array): Uint8Array | undefined {
  const whole = valuesOf(der);
  if (whole?.length !== 1 || whole[0]!.tag !== SEQUENCE) return undefined;
  const parts = valuesOf(whole[0]!.body);
  if (parts?.length !== 3 || parts[0]!.tag !== SEQUENCE) return undefined;
  const fields = valuesOf(parts[0]!.body);
  const [serial, , , , subject] = (fields ?? []).slice(fields?.[0]?.tag === VERSION ? 1 : 0);
  return serial?.tag === INTEGER && subject?.tag === SEQUENCE ? subject.body : undefined;
}

function canonicalName(name: Uint8Array): Uint8Array | undefined {
  const sets: Uint8Array[] = [];
  for (const set of valuesOf(name) ?? []) {
    const pairs = set.tag === SET ? valuesOf(set.body) : undefined;
    if (!pairs) return undefined;
    const canonical: Uint8Array[] = [];
    for (const pair of pairs) {
      const [kind, value, ...rest] = valuesOf(pair.body) ?? [];
      if (!kind || !value || rest.length > 0) return undefined;
      canonical.push(encode(SEQUENCE, concatenated([encode(kind.tag, kind.body), canonicalValue(value)])));
    }
    sets.push(encode(SET, concatenated(canonical)));
  }
  return concatenated(sets);
}

function canonicalValue({ tag, body }: Value): Uint8Array {
  const read = STRINGS[tag];
  if (!read) return encode(tag, body);
  const text = read(body)
    .replaceAll(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, "")
    .replaceAll(/[ \t\n\v\f\r]+/g, " ")
    .replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  return encode(UTF8_STRING, new TextEncoder().encode(text));
}

/** The values that follow one another; nothing where they do not end where the bytes do. */
function valuesOf(bytes: Uint8Array): Value[] | undefined {
  const found: Value[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at]!;
    let length = bytes[at + 1];
    at += 2;
    if (length === undefined || (tag & 0x1f) === 0x1f) return undefined;
    if (length >= 0x80) {
      const digits = length & 0x7f;
      if (digits === 0 || digits > 3 || at + digits > bytes.length) return undefined;
      length = 0;
      for (const byte of bytes.subarray(at, at + digits)) length = length * 256 + byte;
      at += digits;
    }
    if (at + length > bytes.length) return undefined;
    found.push({ tag, body: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

function encode(tag: number, body: Uint8Array): Uint8Array {
  const { length } = body;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return concatenated([Uint8Array.of(tag, ...size), body]);
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function unitsOf(bytes: Uint8Array, size: 2 | 4): string {
  let text = "";
  for (let at = 0; at + size <= bytes.length; at += size) {
    let code = 0;
    for (const byte of bytes.subarray(at, at + size)) code = code * 256 + byte;
    text += code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  }
  return text;
}
