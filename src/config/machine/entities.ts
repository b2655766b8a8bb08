/** @portable yip's `ensure_entities`: a line of an account file, written as YAML in a text. */
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { nearest } from "../nearest.ts";

/** Fields in the order of passwd(5), group(5), shadow(5), gshadow(5), with what stands where none is given. */
const FIELDS = {
  user: { username: "", password: "x", uid: "", gid: "", info: "", homedir: "/", shell: "/bin/sh" },
  group: { group_name: "", password: "x", gid: "", users: "" },
  shadow: {
    ...{ username: "", password: "*", last_changed: "", minimum_changed: "0", maximum_changed: "99999" },
    ...{ warn: "7", inactive: "", expire: "", reserved: "" },
  },
  gshadow: { name: "", password: "*", administrators: "", members: "" },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;
type Kind = keyof typeof FIELDS;
/** Without them there is no such line. */
const NEEDED = ["username", "group_name", "name", "uid", "gid"];

/** What is wrong with it is said without its values: they may be hashes. */
export function entityLine(text: string, context: z.RefinementCtx): { readonly kind: Kind; readonly line: string } {
  const refuse = (message: string): never => {
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  };
  const value = mapping(text);
  if (!value) return refuse("must be a YAML mapping in a text (entity: |)");
  const { kind: named, ...given } = value;
  const kind = (Object.keys(FIELDS) as Kind[]).find((one) => one === named);
  if (!kind) return refuse(`must have a kind: ${Object.keys(FIELDS).join(", ")}`);
  const fields: Readonly<Record<string, string>> = FIELDS[kind];
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(fields, key));
  if (unknown !== undefined) {
    const meant = nearest(unknown, Object.keys(fields));
    const known = Object.keys(fields).join(", ");
    return refuse(
      `a ${kind} has a key that is none of its own: ${meant === undefined ? `they are ${known}` : `did you mean ${meant}?`}`,
    );
  }
  const line: string[] = [];
  for (const [key, instead] of Object.entries(fields)) {
    const field = given[key] ?? instead;
    if (field === "" && NEEDED.includes(key)) return refuse(`a ${kind} needs ${key}`);
    // eslint-disable-next-line no-control-regex -- that is what is refused
    if (/[:\0-\x1f\x7f]/.test(field)) return refuse(`${key} must not hold colons or control characters`);
    line.push(field);
  }
  return { kind, line: line.join(":") };
}

/** Text and numbers only. */
function mapping(text: string): Readonly<Record<string, string>> | undefined {
  if (text.length > 100_000) return undefined;
  try {
    const document = parseDocument(text, {
      lineCounter: new LineCounter(),
      prettyErrors: false,
      stringKeys: true,
      version: "1.2",
    });
    if (document.errors.length + document.warnings.length > 0) return undefined;
    const value: unknown = document.toJS({ maxAliasCount: 0 });
    const parsed = z.record(z.string(), z.union([z.string(), z.number().transform(String)])).safeParse(value);
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
