/** @portable `network` of a machine config, checked. docs/concepts/network.md */
import type { z } from "zod";
import { expected, type Path } from "../issue-text.ts";
import { checkNetwork, type NetworkProblem } from "./checks.ts";
import { NetworkKeys, type NetworkConfig } from "./netplan.ts";

/** Every key, and that what is named is there, nothing is in two places, nothing goes in a circle. What comes out fits it again. */
export const NetworkSection = NetworkKeys.superRefine((config, context) => {
  for (const { path, message } of checkNetwork(config)) context.addIssue({ code: "custom", path: [...path], message });
});

type ParsedNetwork = { readonly config: NetworkConfig } | { readonly problems: readonly NetworkProblem[] };

/** Never throws, whatever the value is. */
export function parseNetwork(value: unknown): ParsedNetwork {
  const parsed = NetworkSection.safeParse(value);
  return parsed.success
    ? { config: parsed.data }
    : { problems: parsed.error.issues.flatMap((issue) => problemsOf(issue, value)) };
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown, above: Path = []): NetworkProblem[] {
  const path = [...above, ...issue.path];
  if (issue.code === "invalid_union") {
    const forms = issue.errors.map((issues) => issues.flatMap((one) => problemsOf(one, value, path)));
    // The form that was meant is the one whose kind it is: its problems lie deeper, or are of another sort than the kind.
    const meant = issue.errors.findIndex((issues) => !issues.some((one) => one.path.length === 0 && isKind(one)));
    if (meant >= 0) return forms[meant]!;
    const kinds = new Set(issue.errors.flat().flatMap((one) => (isKind(one) ? [expected(one)] : [])));
    return [{ path, message: `must be ${[...kinds].join(" or ")}` }];
  }
  if (isKind(issue)) return [{ path, message: isMissing(value, path) ? "is missing" : `must be ${expected(issue)}` }];
  if (issue.code === "invalid_key") return [{ path, message: `${issue.issues[0]?.message ?? issue.message} (the key)` }];
  return [{ path, message: issue.message }];
}

type KindIssue = z.core.$ZodIssueInvalidType | z.core.$ZodIssueInvalidValue;
const isKind = (issue: z.core.$ZodIssue): issue is KindIssue => issue.code === "invalid_type" || issue.code === "invalid_value";

function isMissing(value: unknown, path: Path): boolean {
  let found = value;
  for (const key of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return true;
    found = (found as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return found === undefined;
}
