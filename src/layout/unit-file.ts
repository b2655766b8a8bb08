/** @portable Unit files of systemd, as it reads them. Source: systemd.syntax(7) */

export interface UnitSetting {
  /** Without brackets: `Service`. */
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/** Settings in their order. Lines that are none are passed over, as systemd does. Never throws. */
export function parseUnitFile(text: string): readonly UnitSetting[] {
  const settings: UnitSetting[] = [];
  let section = "";
  for (const line of joinedLines(text)) {
    const [, name] = /^\[([^\]]*)\]\s*$/.exec(line) ?? [];
    const [, key, value] = /^([^=[]+?)\s*=\s*(.*)$/s.exec(line) ?? [];
    if (name !== undefined) section = name;
    else if (key !== undefined && value !== undefined) settings.push({ section, key, value: value.trimEnd() });
  }
  return settings;
}

/** A line that ends with a backslash goes on in the next one that is no comment. */
function joinedLines(text: string): readonly string[] {
  const lines: string[] = [];
  let begun = "";
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trimStart();
    if (/^[#;]/.test(line)) continue;
    if (line.endsWith("\\")) {
      begun += `${line.slice(0, -1)} `;
      continue;
    }
    if (begun + line !== "") lines.push(begun + line);
    begun = "";
  }
  return begun === "" ? lines : [...lines, begun];
}

/** The values of a setting that takes several: an empty one takes back those before it. */
export function listOf(settings: readonly UnitSetting[], section: string, key: string): readonly string[] {
  const values = valuesOf(settings, section, key);
  return values.slice(values.lastIndexOf("") + 1);
}

/** The value of a setting that takes one: the last; nothing where it is empty, which is the default again. */
export const valueOf = (settings: readonly UnitSetting[], section: string, key: string): string | undefined =>
  valuesOf(settings, section, key).at(-1) || undefined;

/** Whether a setting is there and says yes. Source: systemd.syntax(7), boolean arguments */
export const isOn = (settings: readonly UnitSetting[], section: string, key: string): boolean =>
  /^(?:1|yes|y|true|t|on)$/i.test(valueOf(settings, section, key) ?? "");

const valuesOf = (settings: readonly UnitSetting[], section: string, key: string): string[] =>
  settings.filter((one) => one.section === section && one.key === key).map(({ value }) => value);

/** Words of a value, without the quotes around them. Source: systemd.syntax(7), "Quoting", without its escapes */
export const wordsOf = (value: string): readonly string[] =>
  (value.match(/(?:"[^"]*"?|'[^']*'?|[^\s"'])+/g) ?? []).map((word) => word.replaceAll(/["']/g, ""));
