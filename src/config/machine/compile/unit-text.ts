/** @portable What a unit file says about being enabled. Source: systemd.unit(5), systemd.syntax(7) */
import { parseUnitFile } from "../../../layout/unit-file.ts";

export interface InstallSection {
  readonly wantedBy: readonly string[];
  readonly requiredBy: readonly string[];
  readonly upheldBy: readonly string[];
  readonly aliases: readonly string[];
  readonly also: readonly string[];
  readonly defaultInstance: string | undefined;
}

const KEYS = { WantedBy: "wantedBy", RequiredBy: "requiredBy", UpheldBy: "upheldBy", Alias: "aliases", Also: "also" } as const;

/** @param texts of the unit's file and of its drop-ins, in their order */
export function installSection(texts: readonly string[]): InstallSection {
  const lists = { wantedBy: [], requiredBy: [], upheldBy: [], aliases: [], also: [] } as Record<
    (typeof KEYS)[keyof typeof KEYS],
    string[]
  >;
  let defaultInstance: string | undefined;
  for (const { section, key, value } of texts.flatMap((text) => parseUnitFile(text))) {
    if (section !== "Install") continue;
    if (key === "DefaultInstance") defaultInstance = value;
    const list = Object.hasOwn(KEYS, key) ? KEYS[key as keyof typeof KEYS] : undefined;
    if (list === undefined) continue;
    if (value === "") lists[list] = [];
    else lists[list].push(...value.split(/\s+/));
  }
  return { ...lists, defaultInstance };
}

/** What a unit of systemd or a service of OpenRC can be called: a file name without anything of a path. Source: systemd.unit(5) */
export const UNIT_NAME = /^[A-Za-z0-9:_\\@][A-Za-z0-9:_.\\@+-]{0,250}$/;

/** Of a template or its instance: `getty@tty1.service` → `getty@.service`, `tty1`. */
export function instanceOf(name: string): { readonly template: string; readonly instance: string } | undefined {
  const [, prefix, instance, suffix] = /^([^@]+)@(.*)(\.[a-z]+)$/.exec(name) ?? [];
  return prefix === undefined ? undefined : { template: `${prefix}@${suffix}`, instance: instance! };
}

/**
 * The specifiers that a name of an [Install] section may have.
 *
 * @returns nothing where there is one that depends on the running machine
 */
export function expandSpecifiers(text: string, unit: string): string | undefined {
  const stem = unit.replace(/\.[a-z]+$/, "");
  const [prefix = "", instance = ""] = stem.split(/@(.*)/);
  const values: Readonly<Record<string, string>> = {
    "%": "%",
    ...{ n: unit, N: stem, p: prefix, i: instance, j: prefix.split("-").at(-1)! },
  };
  let isKnown = true;
  const expanded = text.replaceAll(/%(.?)/g, (_, letter: string) => {
    const value = values[letter];
    if (value === undefined) isKnown = false;
    return value ?? "";
  });
  return isKnown ? expanded : undefined;
}
