/** @portable Values in files that others read: nothing of a value ends its word. */

/** A word of a unit file's command line or list. Source: systemd.syntax(7) "Quoting", systemd.unit(5) "Specifiers", systemd.service(5) on `$` */
export const systemdWord = (text: string, where: "list" | "command" = "list"): string => {
  const escaped = text
    .replaceAll(/["\\]/g, String.raw`\$&`)
    .replaceAll("\n", String.raw`\n`)
    .replaceAll("\t", String.raw`\t`)
    .replaceAll("%", "%%");
  const whole = where === "command" ? escaped.replaceAll("$", "$$$$") : escaped;
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(whole) ? whole : `"${whole}"`;
};

/** A word of a POSIX shell. */
export const shellWord = (text: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
