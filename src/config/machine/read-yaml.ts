/** @portable The text of a document to a tree, whatever the text is. */
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from "yaml";
import { KiB } from "../../core/units.ts";
import { MACHINE_CONFIG_LIMIT } from "../../layout/machine-config-place.ts";
import type { Path } from "../issue-text.ts";
import { emptyMap, type Entry, type MapTree, type Place, type Scalar, type Tree } from "./tree.ts";

/** The text cannot be used at all. */
export interface Unreadable {
  readonly at: Place;
  readonly message: string;
  readonly hint?: string;
  /** As it was written, where it is about a key. */
  readonly path?: Path;
}

/** Source: cloud-init, "User data formats" */
const FIRST_LINE = /^#cloud-config[ \t]*\r?(?:\n|$)/;
/** What else cloud-init takes as user data, by how it begins, and why it is not taken here. */
const OTHER_FORMS: readonly (readonly [begins: RegExp, what: string, hint: string])[] = [
  [/^#!/, "a script", "Put it under runcmd of a #cloud-config: what a config says can be merged, shown and taken back."],
  [/^#include/, "a list of further documents", "Name the next one as config_url of a #cloud-config."],
  [/^#cloud-config-archive/, "an archive of documents", "Give each document a source of its own."],
  [/^#cloud-boothook/, "a boothook", "Put its commands under bootcmd."],
  [/^#(?:part-handler|upstart-job|cloud-config-jsonp)/, "a form of cloud-init's own", "Write a #cloud-config."],
  [/^## *template: *jinja/, "a template", "Fill it in before: a config is read as it is."],
  [/^(?:Content-Type:|MIME-Version:|From nobody)/i, "a MIME message", "Give each part a source of its own."],
];
/** Values of one document, those that aliases stand for counted each time. */
const MOST_VALUES = 200_000;
const DEEPEST = 64;

/** YAML 1.2.2, section 5.1, and halves of characters. */
const NOT_YAML =
  // eslint-disable-next-line no-control-regex -- that is what is refused
  /[\0-\x08\x0b\x0c\x0e-\x1f\x7f\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/** Tells why nothing follows. */
class Stop extends Error {
  readonly why: Unreadable;
  constructor(at: Place, message: string, hint?: string, path?: Path) {
    super(message);
    this.why = { at, message, ...(hint !== undefined && { hint }), ...(path && { path }) };
  }
}

/**
 * Reads YAML 1.2. Never throws, whatever comes; no value is in a message.
 *
 * @param origin how the document is called in messages
 */
export function readTree(data: string | Uint8Array, origin: string): MapTree | Unreadable {
  const start: Place = { origin, line: 1, column: 1 };
  try {
    const text = textOf(data, start);
    const lines = new LineCounter();
    const document = readYaml(text, lines, start);
    const at = (offset: number): Place => {
      const { line, col } = lines.linePos(offset);
      return { origin, line: line || 1, column: col || 1 };
    };
    const [broken] = [...document.errors, ...document.warnings]; // what follows the first is mostly caused by it
    if (broken) throw new Stop(at(broken.pos[0]), ...whyNoYaml(broken.code));
    const { contents } = document;
    if (contents === null) return emptyMap(origin);
    const tree = new Builder(at).build(contents, [], 0);
    if (tree.kind === "scalar" && tree.value === null) return emptyMap(origin);
    if (tree.kind !== "map") throw new Stop(tree.at, "a machine config must be a mapping");
    return tree;
  } catch (error) {
    if (error instanceof Stop) return error.why;
    throw error;
  }
}

function textOf(data: string | Uint8Array, start: Place): string {
  if (typeof data !== "string" && data[0] === 0x1f && data[1] === 0x8b) {
    throw new Stop(start, "is compressed (gzip)", "Unpack it first.");
  }
  if (data.length > MACHINE_CONFIG_LIMIT) {
    throw new Stop(
      start,
      `a machine config of more than ${MACHINE_CONFIG_LIMIT / KiB} KiB is not read`,
      "Bring large files by source.uri of write_files, or with the image.",
    );
  }
  let text: string;
  try {
    text = typeof data === "string" ? data : new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    throw notUtf8(data as Uint8Array, start);
  }
  text = text.replace(/^\uFEFF/, "");
  const bad = NOT_YAML.exec(text);
  if (bad) {
    const before = text.slice(0, bad.index).split("\n");
    const place = { ...start, line: before.length, column: before.at(-1)!.length + 1 };
    throw new Stop(
      place,
      `has a character that YAML does not take (U+${bad[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")})`,
    );
  }
  if (FIRST_LINE.test(text)) return text;
  const other = OTHER_FORMS.find(([begins]) => begins.test(text));
  if (other) throw new Stop(start, `is ${other[1]}, which is not read`, other[2]);
  throw new Stop(start, "is no machine config: its first line has to be #cloud-config", "Write that line above the rest.");
}

function notUtf8(data: Uint8Array, start: Place): Stop {
  const hint = "Save it as UTF-8.";
  if (["255,254", "254,255"].includes(data.subarray(0, 2).join())) return new Stop(start, "is UTF-16, which is not read", hint);
  // In place of the first byte that is none.
  const before = new TextDecoder().decode(data).split("\ufffd", 1)[0]!.split("\n");
  return new Stop({ ...start, line: before.length, column: before.at(-1)!.length + 1 }, "is not UTF-8 from here on", hint);
}

function readYaml(text: string, lines: LineCounter, start: Place): Document {
  try {
    // Keys that are there twice are found below: here it would take a time that grows with their square.
    return parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, uniqueKeys: false, version: "1.2" });
  } catch {
    throw new Stop(start, "is nested too deep to be read");
  }
}

/** In words, by the library's code: its own message may hold a part of the text, which may be a secret. */
const BROKEN: Readonly<Record<string, readonly [message: string, hint?: string]>> = {
  MULTIPLE_DOCS: ["a second document starts here", "Give it a source of its own."],
  TAB_AS_INDENT: ["a tab is no indentation in YAML", "Use spaces."],
  DUPLICATE_KEY: ["a key is here for the second time"],
  TAG_RESOLVE_FAILED: ["a tag that is not known", "Write plain values; binary content as base64, with encoding: b64."],
  BAD_INDENT: ["the indentation does not fit"],
  MISSING_CHAR: ["not YAML: a character is missing, such as a closing quote, a bracket or a colon"],
  BLOCK_AS_IMPLICIT_KEY: ["not YAML: a value where a key is expected", "Put text with a colon and a space in it in quotes."],
  MULTILINE_IMPLICIT_KEY: ["not YAML: a key goes over several lines, or a colon is missing"],
  UNEXPECTED_TOKEN: ["not YAML: this is not expected here"],
  RESOURCE_EXHAUSTION: ["is nested too deep to be read"],
  BAD_ALIAS: ["not YAML: a malformed anchor or alias"],
  NON_STRING_KEY: ["a key must be text", "Put it in quotes."],
};
const whyNoYaml = (code: string): readonly [message: string, hint?: string] => BROKEN[code] ?? [`not YAML (${code})`];

/** In the order of the text, as anchors count. */
class Builder {
  readonly #at: (offset: number) => Place;
  readonly #anchors = new Map<string, Node>();
  /** Anchors whose value is being read. */
  readonly #open = new Set<Node>();
  #values = 0;

  constructor(at: (offset: number) => Place) {
    this.#at = at;
  }

  build(node: unknown, path: Path, depth: number, before?: Place): Tree {
    const at = this.#place(node) ?? before ?? this.#at(0);
    if (++this.#values > MOST_VALUES) {
      throw new Stop(
        at,
        `there are more than ${MOST_VALUES} values`,
        "Write every value where it belongs, without anchors and aliases.",
      );
    }
    if (depth > DEEPEST) throw new Stop(at, `is nested deeper than ${DEEPEST} levels`);
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (!target) throw new Stop(at, "an alias of an anchor that is not there");
      if (this.#open.has(target))
        throw new Stop(at, "an anchor that holds itself", "Write every value where it belongs, without anchors and aliases.");
      return { ...this.build(target, path, depth + 1), at };
    }
    const anchored = isScalar(node) || isMap(node) || isSeq(node) ? node : undefined;
    if (anchored?.anchor !== undefined) this.#anchors.set(anchored.anchor, anchored);
    if (anchored) this.#open.add(anchored);
    const tree = this.#value(node, path, depth, at);
    if (anchored) this.#open.delete(anchored);
    return tree;
  }

  #value(node: unknown, path: Path, depth: number, at: Place): Tree {
    if (isSeq(node)) {
      return {
        kind: "list",
        at,
        path,
        items: node.items.map((item, index) => this.build(item, [...path, index], depth + 1, at)),
      };
    }
    if (isMap(node)) return { kind: "map", at, path, entries: this.#entries(node.items, path, depth, at) };
    const value: unknown = isScalar(node) ? node.value : null;
    if (value === null || typeof value === "string" || typeof value === "boolean" || typeof value === "number") {
      if (typeof value === "number" && !Number.isFinite(value)) throw new Stop(at, "is no number that can be used");
      const source = isScalar(node) ? node.source : undefined;
      return { kind: "scalar", at, path, value: value satisfies Scalar, ...(source === undefined ? {} : { source }) };
    }
    throw new Stop(at, "a tag that is not known", "Write plain values; binary content as base64, with encoding: b64.");
  }

  #entries(items: readonly unknown[], path: Path, depth: number, around: Place): ReadonlyMap<string, Entry> {
    const entries = new Map<string, Entry>();
    for (const pair of items) {
      if (!isPair(pair)) continue;
      const at = this.#place(pair.key) ?? around;
      if (!isScalar(pair.key)) throw new Stop(at, "a key must be text");
      const key = String(pair.key.value);
      const first = entries.get(key);
      if (first) throw new Stop(at, "is here for the second time", `The first one is in line ${first.at.line}.`, [...path, key]);
      if (key === "__proto__") throw new Stop(at, "__proto__ is no key");
      entries.set(key, { at, value: this.build(pair.value, [...path, key], depth + 1, at) });
    }
    return entries;
  }

  #place(node: unknown): Place | undefined {
    const { range } = (node ?? {}) as { readonly range?: readonly number[] | null };
    return range ? this.#at(range[0]!) : undefined;
  }
}

/** A key may be anything: of `{ password:hunter2 }`, where a space is missing, all of it is one. */
export function shortKey(key: string): string {
  const [word = ""] = /^[A-Za-z0-9_./@-]{0,60}/.exec(key) ?? [];
  return word === key ? key : `${word}…`;
}
