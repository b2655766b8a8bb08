/**
 * @portable What a machine config comes to on one image: files, accounts, things to do. Made when a config is applied, laid down by the initrd at every boot
 * before process 1 starts. docs/formats/compiled-config.md
 */
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { asciiJson } from "./ascii-json.ts";
import { DAMAGED, decodeCheckedLines, encodeCheckedLines } from "./checked-lines.ts";
import type { HealthPlan } from "./health-plan.ts";
import type { Decoded } from "./persistent-ids.ts";
import { isNormalPath } from "./persistent-folder.ts";

/** A longer file is neither written nor read. */
export const COMPILED_LIMIT: Bytes = 16 * MiB;
const NAME = "petrify-config";
const FORMAT = 1;

export interface CompiledConfig {
  /** SHA-256 (hex) of the effective config that it was made from. */
  readonly config: string;
  /** What it was made for: an image's facts and what was seen of its files decide how things are done. */
  readonly image: { readonly name: string; readonly version: string };
  /** Becomes the kernel's, and `/etc/hostname`. */
  readonly hostname?: string;
  readonly accounts: CompiledAccounts;
  /** Laid down in this order, folders before what is in them. */
  readonly entries: readonly TreeEntry[];
  /** Folders that keep what is written to them, besides the image's. */
  readonly persistent: readonly string[];
  /** In place of the image's. */
  readonly health?: HealthPlan;
  /** Stages that have anything left to do once the entries and accounts are there; what, is in the generation. */
  readonly stages: readonly string[];
}

/**
 * What a path is to be. `root`: in `/etc` or `/var`, by the initrd; `data`: on a data partition, once that is mounted; `run`: in `/run` or `/tmp`, by a stage,
 * and in no compiled config.
 */
export interface TreeEntry {
  readonly path: string;
  readonly when: "root" | "data" | "run";
  /** `user:group`, by name or number; of a link its own. */
  readonly owner: string;
  /** Also laid down while recovery runs: what a machine needs to be reached. */
  readonly recovery?: true;
  readonly what:
    | { readonly is: "file"; readonly mode: number; readonly content: EntryContent; readonly append?: true }
    /** @property keep one that is there stays as it is: it was only needed for what lies in it */
    | { readonly is: "folder"; readonly mode: number; readonly keep?: true }
    | { readonly is: "link"; readonly to: string }
    /** What the image has there is hidden. */
    | { readonly is: "gone" };
}
export type EntryContent = { readonly text: string } | { readonly base64: string };

export interface CompiledAccounts {
  readonly users: readonly CompiledUser[];
  readonly groups: readonly { readonly name: string; readonly gid?: number; readonly members: readonly string[] }[];
}
/** Fields of passwd(5) and shadow(5). Of a user that the image has, what is absent stays as it is there. */
export interface CompiledUser {
  readonly name: string;
  /** Asked for; else the one that it had before, else the next free one. */
  readonly uid?: number;
  readonly isSystem: boolean;
  /** Default: a group of its own name. */
  readonly group?: string;
  readonly groups: readonly string[];
  readonly gecos?: string;
  readonly home?: string;
  readonly makeHome: boolean;
  readonly shell?: string;
  /** crypt(5), or `!` in front of one. Secret. */
  readonly password?: string;
  readonly expires?: number;
}

/** The file's text, ASCII. @throws AppError `CONFIG_TOO_LARGE` */
export function encodeCompiledConfig(config: CompiledConfig): string {
  const text = encodeCheckedLines(NAME, FORMAT, [asciiJson(config)]);
  if (text.length <= COMPILED_LIMIT) return text;
  throw new AppError(
    "CONFIG_TOO_LARGE",
    `the machine config comes to ${(text.length / MiB).toFixed(1)} MiB on this image, and may have ${COMPILED_LIMIT / MiB} MiB`,
    { hint: "Keep large files elsewhere: in the image, or in a container." },
  );
}

/**
 * Never throws: whatever is not certainly a config that can be laid down is `damaged`. Keys that are not known are passed over.
 *
 * @param text a character is a byte
 * @param crc see {@link decodeCheckedLines}
 */
export function decodeCompiledConfig(text: string, crc?: (text: string) => number): Decoded<CompiledConfig> {
  if (text.length > COMPILED_LIMIT) return DAMAGED;
  const found = decodeCheckedLines(NAME, FORMAT, text, crc);
  if (found.is !== "whole") return found;
  try {
    const value: unknown = JSON.parse(found.lines.join("\n"));
    return isCompiled(value) ? { is: "whole", value } : DAMAGED;
  } catch {
    return DAMAGED;
  }
}

type Fields = Readonly<Record<string, unknown>>;
type Is = (value: unknown) => boolean;
const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const isText: Is = (value) => typeof value === "string";
const isFlag: Is = (value) => typeof value === "boolean";
const matches =
  (pattern: RegExp): Is =>
  (value) =>
    typeof value === "string" && pattern.test(value);
const isWhole =
  (max: number): Is =>
  (value) =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
const listOf =
  (is: Is): Is =>
  (value) =>
    Array.isArray(value) && value.every(is);
const optional =
  (is: Is): Is =>
  (value) =>
    value === undefined || is(value);
const object =
  (fields: Readonly<Record<string, Is>>): Is =>
  (value) =>
    isFields(value) && Object.entries(fields).every(([name, is]) => is(value[name]));
const isPath: Is = (value) => typeof value === "string" && isNormalPath(value);

/** What becomes a field of a line of passwd(5) cannot end the field, nor the line. */
const isField = matches(/^[^:\n\0]*$/);
/** Names that every tool takes; the same as systemd's relaxed ones, without blanks. Source: systemd, docs/USER_NAMES.md */
const isName = matches(/^(?!-)(?!\d+$)[^\s:,#+*/\0]{1,256}$/);
const isId = isWhole(2 ** 32 - 2);

const isContent: Is = (value) => isFields(value) && [value["text"], value["base64"]].filter((part) => isText(part)).length === 1;
const WHAT: Readonly<Record<string, Is>> = {
  file: object({ mode: isWhole(0o7777), content: isContent, append: optional(isFlag) }),
  folder: object({ mode: isWhole(0o7777), keep: optional(isFlag) }),
  link: object({ to: matches(/^[^\0]+$/) }),
  gone: object({}),
};
const isEntry = object({
  path: isPath,
  when: matches(/^(root|data)$/),
  owner: isText,
  recovery: optional(isFlag),
  what: (value) =>
    isFields(value) && typeof value["is"] === "string" && Object.hasOwn(WHAT, value["is"]) && WHAT[value["is"]]!(value),
});
const isUser = object({
  ...{ name: isName, uid: optional(isId), isSystem: isFlag, group: optional(isName), groups: listOf(isName), makeHome: isFlag },
  ...{ gecos: optional(isField), home: optional(isField), shell: optional(isField), password: optional(isField) },
  expires: optional(isWhole(10_000_000)),
});
const isCompiledFields = object({
  config: matches(/^[0-9a-f]{64}$/),
  image: object({ name: isText, version: isText }),
  hostname: optional(matches(/^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/)),
  accounts: object({
    users: listOf(isUser),
    groups: listOf(object({ name: isName, gid: optional(isId), members: listOf(isName) })),
  }),
  entries: listOf(isEntry),
  persistent: listOf(isPath),
  health: optional(isFields), // who runs the checks reads it as it reads the image's
  stages: listOf(isText),
});
const isCompiled = (value: unknown): value is CompiledConfig => isCompiledFields(value);
