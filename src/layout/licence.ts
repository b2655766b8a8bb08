/** @portable What packages say of their licences, as expressions of SPDX. Source: SPDX 2.3, annex D; Debian's copyright format 1.0, "License specification". */

export interface Licence {
  /** Of known identifiers, and of `LicenseRef-…` for what is none. */
  readonly expression: string;
  /** What each `LicenseRef-…` stands for: the package's own words. */
  readonly references: ReadonlyMap<string, string>;
}

/** Identifiers of the SPDX licence list 3.x that packages of distributions use. */
const KNOWN: ReadonlyMap<string, string> = new Map(
  [
    ...["0BSD", "AFL-2.1", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-1.1", "Apache-2.0", "Artistic-1.0", "Artistic-2.0"],
    ...["BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause", "BSD-4-Clause", "BSD-4-Clause-UC", "BSL-1.0", "bzip2-1.0.6", "CC-BY-3.0"],
    ...["CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0", "CDDL-1.0", "curl", "EPL-1.0", "EPL-2.0", "FSFAP", "FSFUL"],
    ...["FSFULLR", "FTL", "GFDL-1.2-only", "GFDL-1.2-or-later", "GFDL-1.3-only", "GFDL-1.3-or-later", "GPL-1.0-only"],
    ...["GPL-1.0-or-later", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "HPND", "ICU", "IJG", "ISC"],
    ...["LGPL-2.0-only", "LGPL-2.0-or-later", "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later"],
    ...["Libpng", "libtiff", "MIT", "MIT-0", "MIT-CMU", "MPL-1.1", "MPL-2.0", "NCSA", "OFL-1.1", "OLDAP-2.8", "OpenSSL"],
    ...["PostgreSQL", "PSF-2.0", "Python-2.0", "Sleepycat", "SMLNJ", "TCL", "Unicode-3.0", "Unlicense", "Vim", "W3C", "WTFPL"],
    ...["X11", "Zlib", "zlib-acknowledgement", "ZPL-2.1"],
  ].map((id) => [id.toLowerCase(), id]),
);
/** Names of Debian's format, and older ones of SPDX and of rpm, that mean an identifier. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ["expat", "MIT"],
  ["zlib/libpng", "Zlib"],
  ["psf-2", "PSF-2.0"],
  ["cc0", "CC0-1.0"],
  ["boost-1.0", "BSL-1.0"],
  ["apache-2", "Apache-2.0"],
  ["asl 2.0", "Apache-2.0"],
  ["bsd-2", "BSD-2-Clause"],
  ["bsd-3", "BSD-3-Clause"],
  ["bsd-4", "BSD-4-Clause"],
  ["mplv2.0", "MPL-2.0"],
  ["artistic", "Artistic-1.0-Perl"],
]);
const EXCEPTIONS: ReadonlyMap<string, string> = new Map(
  [
    ...[
      "Autoconf-exception-2.0",
      "Autoconf-exception-3.0",
      "Bison-exception-2.2",
      "Classpath-exception-2.0",
      "GCC-exception-3.1",
    ],
    ...["Libtool-exception", "Linux-syscall-note", "LLVM-exception", "OpenSSL-exception", "openvpn-openssl-exception"],
  ].map((id) => [id.toLowerCase(), id]),
);
const MAX_TEXT = 2000;

/**
 * Several texts are all in force: `AND`. A text that is no expression of known names becomes a reference as a whole.
 *
 * @returns nothing for nothing
 */
export function licenceOf(texts: readonly string[]): Licence | undefined {
  const references = new Map<string, string>();
  const parts = texts
    .map((text) => text.trim().slice(0, MAX_TEXT))
    .filter(Boolean)
    .map((text) => expressionOf(text, references));
  const distinct = [...new Set(parts)];
  if (distinct.length === 0) return undefined;
  const expression =
    distinct.length === 1 ? distinct[0]! : distinct.map((part) => (/ (?:OR|AND) /.test(part) ? `(${part})` : part)).join(" AND ");
  return { expression, references };
}

function expressionOf(text: string, references: Map<string, string>): string {
  const words = text.replaceAll(/[()]/g, " $& ").split(/\s+/).filter(Boolean);
  const parsed = parse(
    words.map((word) => (/^(?:and|or|with)$/i.test(word) ? word.toUpperCase() : word)),
    references,
  );
  return parsed ?? reference(text, references);
}

/** `a AND (b OR c WITH d)`, with names alone where there is an identifier for each; nothing when it is another form. */
function parse(words: readonly string[], references: Map<string, string>): string | undefined {
  const found = new Map<string, string>();
  const out: string[] = [];
  let depth = 0;
  let wantsName = true;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "(" && wantsName) depth++;
    else if (word === ")" && !wantsName && depth > 0) depth--;
    else if ((word === "AND" || word === "OR") && !wantsName) wantsName = true;
    else if (word === "WITH" && !wantsName && out.at(-1) !== ")") {
      const exception = EXCEPTIONS.get((words[++i] ?? "").toLowerCase());
      if (exception === undefined) return undefined;
      out.push("WITH", exception);
      continue;
    } else if (wantsName && !["(", ")", "AND", "OR", "WITH"].includes(word)) {
      out.push(identifier(word) ?? reference(word, found));
      wantsName = false;
      continue;
    } else return undefined;
    out.push(word);
  }
  if (wantsName || depth !== 0) return undefined;
  // An exception belongs to a known licence.
  if (out.some((word, i) => out[i + 1] === "WITH" && word.startsWith("LicenseRef-"))) return undefined;
  for (const [name, text] of found) references.set(name, text);
  return out.join(" ").replaceAll("( ", "(").replaceAll(" )", ")");
}

function identifier(name: string): string | undefined {
  const plain = name.toLowerCase();
  const known = KNOWN.get(plain) ?? OTHER_NAMES.get(plain);
  if (known) return known;
  const [, family, major, minor = ".0", more] = /^(a?gpl|lgpl|gfdl)(?:-|v)?(\d)(\.\d)?(\+|-only|-or-later)?$/.exec(plain) ?? [];
  if (family === undefined) return undefined;
  const id = `${family}-${major}${minor}-${more === "+" || more === "-or-later" ? "or-later" : "only"}`;
  return KNOWN.get(id);
}

/** Letters, digits, `-` and `.`; two different texts never share one. */
function reference(text: string, references: Map<string, string>): string {
  const plain =
    text
      .replaceAll(/[^A-Za-z0-9.]+/g, "-")
      .replaceAll(/^-+|-+$/g, "")
      .slice(0, 60) || "other";
  const name = plain === text ? `LicenseRef-${plain}` : `LicenseRef-${plain}-${checksum(text)}`;
  references.set(name, text);
  return name;
}

/** FNV-1a of the text, 8 digits: not for security. */
function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}

/** Every identifier that an expression can have. */
export const KNOWN_LICENCES: readonly string[] = [...new Set([...KNOWN.values(), ...OTHER_NAMES.values()])];
