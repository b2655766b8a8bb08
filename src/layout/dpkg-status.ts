/** @portable dpkg's database of installed packages. Source: deb-control(5), dpkg-query(1); Debian Policy 7.1 for relations. */
import type { Package } from "./package.ts";

/**
 * Reads `/var/lib/dpkg/status`, or a file of `status.d` as images without dpkg have it, which has no `Status`. Never throws: a paragraph without a name
 * or a version is no package.
 */
export function parseDpkgStatus(text: string): Package[] {
  return text.split(/\n(?:[ \t]*\n)+/).flatMap((paragraph) => {
    const fields = fieldsOf(paragraph);
    const [name, version] = [fields.get("package"), fields.get("version")];
    const state = fields.get("status")?.split(/\s+/).at(-1) ?? "installed";
    if (!name || !version || !["installed", "triggers-pending", "triggers-awaited"].includes(state)) return [];
    const [, source = name, sourceVersion = version] = /^(\S+)(?:\s+\((.+)\))?$/.exec(fields.get("source") ?? "") ?? [];
    const maintainer = fields.get("maintainer");
    const kilobytes = Number(fields.get("installed-size"));
    return [
      {
        ...({ kind: "deb", name, version, architecture: fields.get("architecture") ?? "all" } as const),
        source: { name: source, version: sourceVersion },
        ...(maintainer ? { maintainer } : {}),
        ...(Number.isSafeInteger(kilobytes * 1024) && kilobytes > 0 ? { installedSize: kilobytes * 1024 } : {}),
        depends: [...relations(fields.get("pre-depends")), ...relations(fields.get("depends"))],
        provides: relations(fields.get("provides")).flat(),
      },
    ];
  });
}

/** Names in lower case; of a field of several lines the first, and those of relations whole. */
function fieldsOf(paragraph: string): Map<string, string> {
  const fields = new Map<string, string>();
  let last = "";
  for (const line of paragraph.split("\n")) {
    const [, name, value] = /^([!-9;-~]+):[ \t]*(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) {
      last = name.toLowerCase();
      fields.set(last, value.trim());
    } else if (/^[ \t]/.test(line) && /depends|provides/.test(last)) {
      fields.set(last, `${fields.get(last)} ${line.trim()}`);
    }
  }
  return fields;
}

/** `a (>= 1) | b:any, c` as [[a, b], [c]]. */
function relations(text: string | undefined): string[][] {
  return (text ?? "")
    .split(",")
    .map((group) => group.split("|").flatMap((one) => /^\s*([^\s(:[<]+)/.exec(one)?.[1] ?? []))
    .filter((group) => group.length > 0);
}
