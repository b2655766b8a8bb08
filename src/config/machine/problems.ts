/** @portable What is wrong with a document, each with its place. */
import type { z } from "zod";
import { AppError } from "../../core/error.ts";
import { dotted, expected, type Path } from "../issue-text.ts";
import { nearest } from "../nearest.ts";
import { goesWith } from "../network/left-out.ts";
import { shortKey } from "./read-yaml.ts";
import { REFUSED, REFUSED_WITHIN } from "./refused.ts";
import { isNameAt, isSecret, isTold, keysAt, MASK } from "./secrets.ts";
import { isSlip, toldKey } from "./told.ts";
import { child, nearestTo, plain, type Place, type Tree } from "./tree.ts";

export interface Problem {
  readonly at: Place;
  /** As it is written in the document. */
  readonly path: Path;
  /** What is wrong, without the path. */
  readonly message: string;
  readonly hint?: string;
}
/** What has to go for the rest to be used. */
export interface Fault {
  readonly problem: Problem;
  /** In the tree that was checked. */
  readonly remove: Path;
}

/** As it is told: names that are no words are cut. */
export const pathText = (path: Path): string =>
  path.length === 0 ? "" : dotted(path.map((key) => (typeof key === "string" && key !== MASK ? shortKey(key) : key)));

/** `origin:line:column: users[0].name: is missing`, and what was probably meant. */
export function problemText({ at, path, message, hint }: Problem): string {
  const where = path.length === 0 ? "" : `${pathText(path)}: `;
  return `${at.origin}:${at.line}:${at.column}: ${where}${message}${hint !== undefined && isGuess(hint) ? `, ${hint}` : ""}`;
}
const isGuess = (hint: string): boolean => hint.startsWith("did you mean");

const SHOWN = 20;
/** Keys of one mapping for which one that was meant is looked for. */
const GUESSED = 50;
/** Longer lists of keys help nobody. */
const LISTED = 30;
/** A key of the top level that holds more than one value: one of a newer language, no secret. */
const SECTION = /^[a-z]+(?:_[a-z]+)*$/;
const DOCS = "Every key is explained in docs/machine-config.md.";

/** All of them as one failure, the first places first. */
export function refusal(problems: readonly Problem[]): AppError {
  const hints = new Set(problems.flatMap(({ hint }) => (hint === undefined || isGuess(hint) ? [] : [hint])));
  const [first = DOCS] = hints;
  // Of several, each stands with its problem.
  const areMany = hints.size > 1 || (hints.size === 1 && problems.length > 1);
  const shown = problems.slice(0, SHOWN).map((problem) => {
    const { hint } = problem;
    const isOwn = areMany && hint !== undefined && hint !== DOCS && !isGuess(hint);
    return `${problemText(problem)}${isOwn ? ` (${hint.replace(/\.$/, "")})` : ""}`;
  });
  if (problems.length > SHOWN) shown.push(`… and ${problems.length - SHOWN} more`);
  const hint = areMany ? DOCS : first;
  return new AppError("MACHINE_CONFIG_INVALID", shown.join("\n"), { hint });
}

/** From the first line to the last, documents in their order. */
export const inOrder = (problems: readonly Problem[]): Problem[] => {
  const origins = [...new Set(problems.map(({ at }) => at.origin))];
  const rank = ({ at }: Problem): number => origins.indexOf(at.origin);
  return problems.toSorted((a, b) => rank(a) - rank(b) || a.at.line - b.at.line || a.at.column - b.at.column);
};

type Issue = z.core.$ZodIssue;

/** @param issues of a schema about the plain value of the tree */
export const faultsOf = (issues: readonly Issue[], tree: Tree): Fault[] =>
  issues.flatMap((issue) => oneForm(issue)).flatMap((issue) => faultOf(issue, tree));

/** Of a value that may have several forms: what is wrong with the form that it has. */
function oneForm(issue: Issue): Issue[] {
  if (issue.code !== "invalid_union") return [issue];
  const tries = issue.errors.map((errors) => errors.map((one): Issue => ({ ...one, path: [...issue.path, ...one.path] })));
  const isOtherKind = (one: Issue): boolean =>
    one.path.length === issue.path.length && (one.code === "invalid_type" || one.code === "invalid_value");
  const flat = tries.map((errors) => errors.flatMap(oneForm));
  const fitting = flat.filter((errors) => !errors.some(isOtherKind)).toSorted((a, b) => a.length - b.length);
  const [best] = fitting;
  if (best && best.length > 0) return best;
  const kinds = [
    ...new Set(
      flat
        .flat()
        .filter(isOtherKind)
        .map((one) => expected(one as Parameters<typeof expected>[0])),
    ),
  ];
  return [
    {
      code: "custom",
      path: issue.path,
      message: `must be ${kinds.join(" or ") || "something else"}`,
      params: { kinds: true },
      input: issue.input,
    },
  ];
}

function faultOf(issue: Issue, tree: Tree): Fault[] {
  if (issue.code === "unrecognized_keys") {
    const around = nearestTo(tree, issue.path).tree;
    const known = keysAt(issue.path);
    return issue.keys.map((key, index) => {
      const entry = around.kind === "map" ? around.entries.get(key) : undefined;
      const isSection = issue.path.length === 0 && entry !== undefined && entry.value.kind !== "scalar" && SECTION.test(key);
      const told = isSection ? key : toldKey(String(entry?.value.path.at(-1) ?? key), index < GUESSED ? known : []);
      const path = [...around.path, told];
      const reason = whyRefused(issue.path, key);
      const problem = { at: entry?.at ?? around.at, path };
      const remove = [...issue.path, key];
      if (reason !== undefined) return { problem: { ...problem, message: reason }, remove };
      const meant = index < GUESSED ? nearest(key, known) : undefined;
      const all = known.length === 0 || known.length > LISTED ? DOCS : `Keys here: ${known.join(", ")}.`;
      const hint = meant === undefined ? all : `did you mean ${meant}?`;
      return {
        problem: { ...problem, message: `is not a key ${issue.path.length === 0 ? "of a machine config" : "here"}`, hint },
        remove,
      };
    });
  }
  const { path } = issue;
  const { tree: found, depth } = nearestTo(tree, path);
  const isMissing = depth < path.length;
  const remove = path.slice(0, isMissing ? depth : path.length);
  const written = isMissing ? [...found.path, ...path.slice(depth)] : withoutSecretName(path, found.path);
  const problem = { at: found.at, path: written };
  if (issue.code === "invalid_key") {
    const message = issue.issues[0]?.message ?? issue.message;
    const told = [...written.slice(0, -1), toldKey(String(written.at(-1)), [])];
    return [{ problem: { ...problem, path: told, message: `${message} (the key)` }, remove }];
  }
  if (isMissing && (issue.code === "invalid_type" || issue.code === "invalid_value" || isKinds(issue))) {
    return [{ problem: { ...problem, message: "is missing" }, remove }];
  }
  if (issue.code === "invalid_type" || issue.code === "invalid_value" || isKinds(issue)) {
    const message = isKinds(issue) ? issue.message : `must be ${expected(issue as Parameters<typeof expected>[0])}`;
    const allowed = issue.code === "invalid_value" && isTold(issue.path) ? issue.values.map(String) : [];
    const shown = `, found ${foundText(found, allowed)}`;
    return [{ problem: { ...problem, message: `${message}${shown}`, ...guess(issue, message, found) }, remove }];
  }
  return [{ problem: { ...problem, message: boundText(issue) ?? issue.message }, remove }];
}

/** Of `{ hunter2 }`, where a name of a variable was to be, the value is the key. */
const withoutSecretName = (path: Path, written: Path): Path =>
  isSecret(path) && isNameAt(path.slice(0, -1), String(path.at(-1))) ? [...written.slice(0, -1), MASK] : written;

/** Where the schema has no sentence of its own. */
function boundText(issue: Issue): string | undefined {
  if ((issue.code !== "too_big" && issue.code !== "too_small") || !issue.message.startsWith("Too ")) return undefined;
  const unit = issue.origin === "array" ? " entries" : issue.origin === "string" ? " characters" : "";
  return issue.code === "too_big" ? `must be at most ${issue.maximum}${unit}` : `must be at least ${issue.minimum}${unit}`;
}

const isKinds = (issue: Issue): boolean => issue.code === "custom" && issue.params?.["kinds"] === true;

/** Why a key that others know is not taken here. */
function whyRefused(path: Path, key: string): string | undefined {
  const table = path.length === 0 ? REFUSED : REFUSED_WITHIN[pattern(path)];
  return table && Object.hasOwn(table, key) ? table[key] : undefined;
}
/** `stages.*[].users.*`: without numbers and names of entries. */
export const pattern = (path: Path): string =>
  path
    .map((key, depth) => {
      if (typeof key === "number") return "[]";
      return `${depth > 0 ? "." : ""}${isName(path, depth) ? "*" : String(key)}`;
    })
    .join("");
function isName([top, ...rest]: Path, depth: number): boolean {
  const before = rest[depth - 2];
  if (top === "stages") return depth === 1 || before === "users";
  if (top === "network") return depth === 2 || ["access-points", "path-cost", "port-priority"].includes(String(before));
  return top === "disk_setup" && depth === 1;
}

/** A slip may be told, and a word that is a truth value elsewhere. Whatever else stands there may be a secret in a wrong place. */
function foundText(tree: Tree, allowed: readonly string[]): string {
  if (tree.kind === "map") return "a mapping";
  if (tree.kind === "list") return "a list";
  if (tree.value === null) return "nothing";
  if (typeof tree.value !== "string") return typeof tree.value === "boolean" ? String(tree.value) : "a number";
  return OTHER_TRUTH.test(tree.value) || isSlip(tree.value, allowed) ? JSON.stringify(tree.value) : "text";
}
const OTHER_TRUTH = /^(?:yes|no|on|off|y|n)$/i;

/** What was probably meant. YAML 1.1, which cloud-init reads, has `yes` as true and 0644 as 420; here these are text and 644. */
function guess(issue: Issue, message: string, found: Tree): { hint?: string } {
  if (found.kind !== "scalar") return {};
  if (found.value === null) return { hint: "Remove the key, or write [] or {} for none." };
  if (message.includes("true or false") && typeof found.value === "string" && OTHER_TRUTH.test(found.value)) {
    return { hint: `Write ${/^(?:yes|on|y)$/i.test(found.value) ? "true" : "false"}: ${found.value} is text in YAML 1.2.` };
  }
  if (message.includes("text") && (typeof found.value === "number" || typeof found.value === "boolean")) {
    // As it was written: `0644` is the number 644 by now.
    const mode = /^0o?([0-7]{3,4})$/.exec(found.source ?? "")?.[1];
    const isMode = mode !== undefined && issue.path.at(-1) === "permissions";
    return { hint: isMode ? `Put it in quotes: "0${mode}".` : "Put it in quotes." };
  }
  if (issue.code !== "invalid_value" || typeof found.value !== "string") return {};
  const meant = nearest(found.value, issue.values.map(String));
  return meant === undefined ? {} : { hint: `did you mean ${meant}?` };
}

/** The part of a tree that is used or not as a whole: half of it could be more open than all of it. */
const WHOLE = [
  /^(?:bootcmd|runcmd|kernel|proxy|ca_certs|config_url|disk_setup|fs_setup|install|api|updates)\b/,
  /^(?:write_files|units|containers|mounts)\[\]/,
  /^health\.checks\[\]/,
  /^stages\.\*\[\]/,
];

/** What has to go, when something at this path has to. */
export function wholeAround(path: Path, tree: Tree): readonly Path[] {
  const [top, ...below] = path;
  if (top === "network" && below.length > 0) {
    const network = child(tree, "network");
    return goesWith(below, network && plain(network)).map((one) => ["network", ...one]);
  }
  for (let length = 1; length <= path.length; length++) {
    const head = path.slice(0, length);
    const text = pattern(head);
    if (
      WHOLE.some((one) => one.exec(text)?.[0].length === text.length) &&
      child(nearestTo(tree, head.slice(0, -1)).tree, head.at(-1)!)
    ) {
      return [head];
    }
  }
  return [path];
}
