/** @portable What a distribution says of itself: `/etc/os-release`. Source: os-release(5). */

export type OsRelease = Readonly<Record<string, string>>;

/** Never throws: a line that is no assignment is passed over. */
export function parseOsRelease(text: string): OsRelease {
  const values: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const [, key, value] = /^\s*([A-Z][A-Z0-9_]*)=(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) values[key] = unquoted(value);
  }
  return values;
}

/** As a shell would, without anything that it could do. */
function unquoted(value: string): string {
  if (value.length > 1 && value.startsWith("'") && value.endsWith("'")) return value.slice(1, -1);
  if (value.length > 1 && value.startsWith('"') && value.endsWith('"'))
    return value.slice(1, -1).replaceAll(/\\(["$`\\])/g, "$1");
  return value;
}
