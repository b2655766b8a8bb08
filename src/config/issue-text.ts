/** @portable What a schema finds wrong, in words. */
import type { z } from "zod";

export type Path = readonly PropertyKey[];
type TypeIssue = z.core.$ZodIssueInvalidType | z.core.$ZodIssueInvalidValue;

const KINDS: Readonly<Record<string, string>> = {
  ...{ array: "a list", tuple: "a list", object: "a mapping", record: "a mapping" },
  ...{ string: "text", int: "a whole number", boolean: "true or false", null: "nothing" },
};

/** What a value should have been, after "must be". */
export const expected = (issue: TypeIssue): string =>
  issue.code === "invalid_value" ? issue.values.map(String).join(" or ") : (KINDS[issue.expected] ?? `a ${issue.expected}`);

/** `users[0].name` */
export const dotted = (path: Path): string =>
  path.length === 0
    ? "(top level)"
    : path.map((key, i) => (typeof key === "number" ? `[${key}]` : `${i > 0 ? "." : ""}${String(key)}`)).join("");
