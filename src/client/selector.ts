/** @portable Labels of machines, and what chooses machines by them, as kubectl writes it: `site=berlin,!test`. Pure. docs/concepts/pki.md */
import { AppError } from "../core/error.ts";

export type Labels = Readonly<Record<string, string>>;

/** Source: Kubernetes, labels and selectors, "Syntax and character set" */
export const LABEL_KEY = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
export const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

/** `site=berlin`: has the label with this value. `site!=berlin`: has it not, or another value. `site`, `!site`: has it, has it not. With commas: all of it. */
const REQUIREMENT = /^(?:(?<absent>!)(?<missing>[^=!]+)|(?<key>[^=!]+)(?:(?<operator>==?|!=)(?<value>.*))?)$/;

/** @returns whether a machine with these labels is meant @throws AppError `SELECTOR_INVALID` */
export function parseSelector(text: string): (labels: Labels) => boolean {
  const tests = text.split(",").map((part) => requirement(part.trim(), text));
  return (labels) => tests.every((test) => test(labels));
}

function requirement(part: string, whole: string): (labels: Labels) => boolean {
  const { absent, missing, key: named, operator, value = "" } = REQUIREMENT.exec(part)?.groups ?? {};
  const key = (named ?? missing ?? "").trim();
  const wanted = value.trim();
  if (!LABEL_KEY.test(key) || !LABEL_VALUE.test(wanted)) {
    throw new AppError("SELECTOR_INVALID", `${JSON.stringify(whole)} does not say which labels machines are to have`, {
      hint: "Write site=berlin, site!=berlin, site or !site; several with commas between them.",
    });
  }
  return (labels) => {
    const has = Object.hasOwn(labels, key);
    if (absent !== undefined) return !has;
    if (operator === undefined) return has;
    return operator === "!=" ? !has || labels[key] !== wanted : has && labels[key] === wanted;
  };
}

/** What labels become. */
export interface LabelChange {
  readonly set: Labels;
  readonly remove: readonly string[];
}

/** @param words `site=berlin` sets a label, `site-` takes it away @throws AppError `LABEL_INVALID` */
export function parseLabels(words: readonly string[]): LabelChange {
  const set = new Map<string, string>();
  const remove = new Set<string>();
  for (const word of words) {
    const [, key = "", value] = /^([^=]*?)(?:-|=(.*))$/.exec(word) ?? [];
    if (!LABEL_KEY.test(key) || !LABEL_VALUE.test(value ?? "") || set.has(key) || remove.has(key)) {
      throw new AppError("LABEL_INVALID", `${JSON.stringify(word)} is no label, or there twice`, {
        hint: "Write site=berlin, or site- to take it away: at most 63 letters, digits, dots, dashes and underscores.",
      });
    }
    if (value === undefined) remove.add(key);
    else set.set(key, value);
  }
  return { set: Object.fromEntries(set), remove: [...remove] };
}

/** In a fixed order; nothing where none is left. */
export function changeLabels(before: Labels = {}, { set, remove }: LabelChange): Labels | undefined {
  const after = Object.entries({ ...before, ...set }).filter(([key]) => !remove.includes(key));
  return after.length > 0 ? Object.fromEntries(after.toSorted(([a], [b]) => (a < b ? -1 : 1))) : undefined;
}

export const labelsText = (labels: Labels = {}): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
