/** @portable What `systemctl show` says of units: `Name=value` a line, an empty line between units. Source: systemctl(1) */

/** Of each unit its properties. What is no property is passed over. Never throws. */
export const parseShow = (text: string): ReadonlyMap<string, string>[] =>
  text
    .split(/\n\n+/)
    .map((unit) => new Map(unit.split("\n").flatMap((line) => property(line) ?? [])))
    .filter(({ size }) => size > 0);

function property(line: string): [[string, string]] | undefined {
  const at = line.indexOf("=");
  return at > 0 ? [[line.slice(0, at), line.slice(at + 1)]] : undefined;
}

/** A number of a property; nothing for `[not set]` and for what systemd writes where there is none: the greatest number of 64 bits. */
export function numberOf(text: string | undefined): number | undefined {
  const number = text !== undefined && /^\d{1,20}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}
