/** @portable Files of sections: those of systemd-networkd and of NetworkManager. */
import { AppError } from "../../core/error.ts";

export interface Section {
  readonly name: string;
  readonly lines: readonly Entry[];
}
/** What is undefined has no line. */
export type Entry = readonly [key: string, value: string | number | boolean | undefined];

/**
 * The last word on what stands in a line: whatever was checked before, no value ends it and begins another.
 *
 * @throws AppError `NETWORK_LINE`
 */
export function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- that is what is refused
  if (!/[\0-\x1f\x7f]/.test(text)) return text;
  throw new AppError("NETWORK_LINE", "a value of network holds a line break or a control character");
}

/** Sections without lines are left out, unless they are asked for. */
export function sectionsText(sections: readonly (Section | undefined)[], always: readonly string[] = []): string {
  const texts = sections.flatMap((section) => {
    if (!section) return [];
    const lines = section.lines.filter(([, value]) => value !== undefined);
    if (lines.length === 0 && !always.includes(section.name)) return [];
    const name = oneLine(section.name);
    if (name.includes("]")) throw new AppError("NETWORK_LINE", "a name of network ends a section");
    return [`[${name}]\n${lines.map(([key, value]) => `${oneLine(key)}=${oneLine(String(value))}\n`).join("")}`];
  });
  return texts.join("\n");
}

/** Only where something was said. */
export const yesNo = (value: boolean | undefined): "yes" | "no" | undefined =>
  value === undefined ? undefined : value ? "yes" : "no";
