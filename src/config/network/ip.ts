/** @portable Addresses of IP as text. */

export type Family = 4 | 6;
export interface Prefix {
  readonly family: Family;
  /** As it was written. */
  readonly address: string;
  /** Bits of the network. */
  readonly length: number;
}

/** The address's 4 or 16 bytes; nothing for what is none. Source: RFC 4291, 2.2; of IPv4 four decimal numbers, as inet_pton(3) has them */
export function addressBytes(text: string): readonly number[] | undefined {
  return text.includes(":") ? bytes6(text) : bytes4(text);
}

export function familyOf(text: string): Family | undefined {
  const bytes = addressBytes(text);
  return bytes && (bytes.length === 4 ? 4 : 6);
}

/** `ADDRESS/BITS`; with `bare` also an address alone, which is a network of one. */
export function prefixOf(text: string, bare = false): Prefix | undefined {
  const [address = "", bits, ...rest] = text.split("/");
  const family = familyOf(address);
  if (family === undefined || rest.length > 0) return undefined;
  const most = family === 4 ? 32 : 128;
  if (bits === undefined) return bare ? { family, address, length: most } : undefined;
  if (!/^(?:0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > most) return undefined;
  return { family, address, length: Number(bits) };
}

/** The same text for the same address. */
export const addressKey = (text: string): string => addressBytes(text)?.join(".") ?? text;

/** Whether a destination is every address; netplan's `default`, or a network of no bits. */
export const isEverywhere = (to: string): boolean => to === "default" || prefixOf(to)?.length === 0;

/** Source: RFC 1112, 4; RFC 4291, 2.7 */
export function isMulticast(text: string): boolean {
  const bytes = addressBytes(text);
  if (!bytes) return false;
  return bytes.length === 4 ? bytes[0]! >= 224 && bytes[0]! < 240 : bytes[0] === 0xff;
}

/** `255.255.255.0` for 24 bits of IPv4. */
export const netmask = (length: number): string =>
  [0, 8, 16, 24].map((done) => 256 - 2 ** (8 - Math.max(0, Math.min(8, length - done)))).join(".");

function bytes4(text: string): readonly number[] | undefined {
  if (!/^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(text)) return undefined;
  const bytes = text.split(".").map(Number);
  return bytes.every((byte) => byte < 256) ? bytes : undefined;
}

function bytes6(text: string): readonly number[] | undefined {
  if (text.length > 45) return undefined;
  const [before = "", after, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const head = groups(before, after === undefined);
  const tail = after === undefined ? [] : groups(after, true);
  if (!head || !tail) return undefined;
  const missing = 16 - head.length - tail.length;
  if (after === undefined ? missing !== 0 : missing < 2) return undefined;
  return [...head, ...Array.from({ length: missing }, () => 0), ...tail];
}

/** @param last whether they end the address, so that they may end with an address of IPv4 */
function groups(text: string, last: boolean): readonly number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(part)) {
      const value = Number.parseInt(part, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const four = last && index === parts.length - 1 ? bytes4(part) : undefined;
    if (!four) return undefined;
    bytes.push(...four);
  }
  return bytes;
}
