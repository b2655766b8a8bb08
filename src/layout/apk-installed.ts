/** @portable apk's database of installed packages. Source: apk-tools, doc/apk-package.5 and src/database.c (apk_db_read). */
import type { Package } from "./package.ts";

/** Reads `/lib/apk/db/installed`. Never throws: a block without a name or a version is no package. */
export function parseApkInstalled(text: string): Package[] {
  return text.split(/\n\n+/).flatMap((block) => {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      if (line[1] !== ":") continue;
      if (line[0] === "F") break; // its files: they have letters of their own
      fields.set(line[0]!, line.slice(2).trim());
    }
    const [name, version] = [fields.get("P"), fields.get("V")];
    if (!name || !version) return [];
    const [licence, maintainer, size] = [fields.get("L"), fields.get("m"), Number(fields.get("I"))];
    return [
      {
        ...({ kind: "apk", name, version, architecture: fields.get("A") || "noarch" } as const),
        source: { name: fields.get("o") || name, version },
        ...(licence ? { licence } : {}),
        ...(maintainer ? { maintainer } : {}),
        ...(Number.isSafeInteger(size) && size > 0 ? { installedSize: size } : {}),
        depends: names(fields.get("D")).map((one) => [one]),
        provides: names(fields.get("p")),
      },
    ];
  });
}

/** `so:libc.so.1 a>=2 !b` as [so:libc.so.1, a]. */
function names(text: string | undefined): string[] {
  return (text ?? "")
    .split(/\s+/)
    .filter((word) => word !== "" && !word.startsWith("!"))
    .flatMap((word) => /^[^=<>~@]+/.exec(word)?.[0] ?? []);
}
