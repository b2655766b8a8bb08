/** @portable What `rpm --query` is asked of its database, and its answer. Source: rpm-queryformat(7), rpm's lib/rpmtag.h. */
import type { Package } from "./package.ts";

const FIELDS = ["NAME", "EPOCH", "VERSION", "RELEASE", "ARCH", "SOURCERPM", "LICENSE", "PACKAGER", "VENDOR", "SIZE"] as const;
const LIST = { requires: "REQUIRENAME", provides: "PROVIDENAME" } as const;
/** A line cannot hold it: file names among the provided names could hold anything else. */
const BETWEEN = "\\t";

/** For `--queryformat`: a line a package. */
export const RPM_QUERY_FORMAT = [...FIELDS.map((field) => `%{${field}}`), ...Object.values(LIST).map((field) => `[%{${field}} ]`)]
  .join(BETWEEN)
  .concat("\\n");

/** Never throws: a line without a name or a version is no package; keys that the database holds as packages are none either. */
export function parseRpmQuery(text: string): Package[] {
  return text.split("\n").flatMap((line) => {
    const values = line.split("\t").map((value) => (value === "(none)" ? "" : value));
    const [name, epoch, version, release, arch, source, licence, packager, vendor, size, requires, provides] = values;
    if (!name || !version || name === "gpg-pubkey") return [];
    const maintainer = packager || vendor;
    const built = /^(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm$/.exec(source ?? "");
    const bytes = Number(size);
    return [
      {
        ...({ kind: "rpm", name, version: release ? `${version}-${release}` : version, architecture: arch || "noarch" } as const),
        ...(Number(epoch) > 0 ? { epoch: Number(epoch) } : {}),
        ...(built ? { source: { name: built[1]!, version: built[2]! } } : {}),
        ...(licence ? { licence } : {}),
        ...(maintainer ? { maintainer } : {}),
        ...(Number.isSafeInteger(bytes) && bytes > 0 ? { installedSize: bytes } : {}),
        depends: [...new Set(words(requires))].filter((one) => !one.startsWith("rpmlib(")).map((one) => [one]),
        provides: [...new Set(words(provides))],
      },
    ];
  });
}

const words = (text: string | undefined): string[] => (text ?? "").split(" ").filter(Boolean);
