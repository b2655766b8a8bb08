/** @portable What `wipefs --json --no-act` finds on a disk. Source: wipefs(8) of util-linux. */
import { plainWord } from "./lsblk.ts";

/** Also of headers that no boot sector goes with, which nobody else takes for a table. */
export const GPT_FOUND = "a partition table (GPT)";
const TABLES: ReadonlyMap<string, string> = new Map([
  ["gpt", GPT_FOUND],
  ["PMBR", GPT_FOUND],
  ["dos", "a partition table (MBR)"],
]);

/** Whether what {@link parseWipefs} says of it is a partition table. */
export const isTable = (phrase: string): boolean => [...TABLES.values()].includes(phrase);

/**
 * A phrase for each table and file system: `ext4 "photos"`. Nothing where it says nothing.
 *
 * Never throws: a label that is no text makes its JSON unreadable, and then there is something on the disk nevertheless.
 */
export function parseWipefs(text: string): readonly string[] {
  if (text.trim() === "") return [];
  try {
    const { signatures } = JSON.parse(text) as { signatures: readonly { readonly type?: unknown; readonly label?: unknown }[] };
    const phrases = signatures.map(({ type, label }) => {
      const [kind, name] = [plainWord(type) ?? "something", plainWord(label)];
      return TABLES.get(kind) ?? `${kind}${name === undefined ? "" : ` ${JSON.stringify(name)}`}`;
    });
    return [...new Set(phrases)];
  } catch {
    return ["what wipefs cannot describe"];
  }
}
