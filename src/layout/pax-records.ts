/** @portable Records of pax extended headers. Values are bytes: attributes of files are no text. Source: POSIX.1-2017, pax, "pax Extended Header" */
import { byteText, bytesOfText, type ByteText } from "./byte-text.ts";
import { SCHILY_XATTR, type Attribute } from "./tar-entry.ts";
import { aclOfText } from "./posix-acl-text.ts";

export type PaxRecords = ReadonlyMap<ByteText, Uint8Array>;

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

/** @returns the records, the last of a key; or what is wrong with them */
export function parsePaxRecords(data: Uint8Array): PaxRecords | string {
  const records = new Map<ByteText, Uint8Array>();
  let at = 0;
  while (at < data.length) {
    const space = data.indexOf(SPACE, at);
    const digits = space === -1 || space - at > 10 ? "" : byteText(data.subarray(at, space));
    if (!/^[1-9]\d*$/.test(digits)) return "an extended header has a record without a length";
    const end = at + Number(digits);
    if (end > data.length || end <= space + 1) return "a record of its extended header is longer than the header, or too short";
    if (data[end - 1] !== NEWLINE) return "a record of its extended header does not end where it says";
    const equals = data.subarray(0, end).indexOf(EQUALS, space);
    if (equals <= space + 1) return "a record of its extended header has no key";
    const key = byteText(data.subarray(space + 1, equals));
    if (key.includes("\0")) return "a key of its extended header has a zero byte";
    records.set(key, data.slice(equals + 1, end - 1));
    at = end;
  }
  return records;
}

const LIBARCHIVE_XATTR = "LIBARCHIVE.xattr.";
/** Others belong to other systems (macOS, BSD), or to overlayfs itself: below an overlay they would change what it shows. */
const KEPT = /^(?:user|trusted|security)\.(?!overlay\.)|^system\.posix_acl_(?:access|default)$/;
/** Source: Linux, include/uapi/linux/limits.h, XATTR_NAME_MAX and XATTR_SIZE_MAX */
const LONGEST_NAME = 255;
const LARGEST_VALUE = 65_536;

/** Extended attributes in all their spellings. @returns them, or what is wrong with one */
export function attributesOf(records: PaxRecords): readonly Attribute[] | string {
  const found = new Map<ByteText, Uint8Array>();
  for (const [key, value] of records) {
    if (key.startsWith(LIBARCHIVE_XATTR)) {
      const name = urlDecoded(key.slice(LIBARCHIVE_XATTR.length));
      const bytes = fromBase64(byteText(value));
      if (bytes === undefined) return `its attribute ${key} is not base64`;
      if (!records.has(SCHILY_XATTR + name)) found.set(name, bytes);
    } else if (key.startsWith(SCHILY_XATTR)) {
      found.set(key.slice(SCHILY_XATTR.length).replaceAll("%3D", "=").replaceAll("%25", "%"), value);
    } else if (key === "RHT.security.selinux") {
      // Text here; the kernel's value has the zero byte of a C string.
      if (!found.has("security.selinux")) found.set("security.selinux", bytesOfText(`${byteText(value)}\0`));
    } else if (key === "SCHILY.acl.access" || key === "SCHILY.acl.default") {
      const acl = aclOfText(byteText(value));
      if (typeof acl === "string") return `its ${key === "SCHILY.acl.access" ? "ACL" : "default ACL"} ${acl}`;
      if (acl) found.set(`system.posix_acl_${key.slice("SCHILY.acl.".length)}`, acl);
    } else if (key === "SCHILY.acl.ace") return "it has an NFSv4 ACL, which Linux file systems do not have";
  }
  const kept = [...found].filter(([name]) => KEPT.test(name));
  for (const [name, value] of kept) {
    if (name.length > LONGEST_NAME || name.includes("\0")) return "the name of an extended attribute is longer than 255 bytes";
    if (value.length > LARGEST_VALUE) return `its attribute ${name} is larger than 64 KiB`;
  }
  return kept.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

const urlDecoded = (name: ByteText): ByteText =>
  name.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));

/** Padding may be missing: libarchive leaves it out. */
function fromBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  try {
    return bytesOfText(atob(text.replace(/=+$/, "")));
  } catch {
    return undefined;
  }
}
