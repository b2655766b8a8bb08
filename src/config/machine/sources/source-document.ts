/** @portable What a source has brought, before it is judged: whether it can be read, and which document follows it. docs/concepts/config.md, "Where it comes from" */
import { checkedUrl } from "../../../layout/config-sources.ts";
import { problemText } from "../problems.ts";
import { readTree } from "../read-yaml.ts";
import { child, type MapTree, type Tree } from "../tree.ts";
import { DOCUMENT_KEYS } from "./document-keys.ts";

/** A document that can be read. Secret. */
export interface SourceDocument {
  readonly origin: string;
  /** As it came, byte for byte. */
  readonly text: string;
  /** Those of its keys that are a machine config's: any other may be a secret in a wrong place. */
  readonly keys: readonly string[];
  /** Its `config_url`: what is read after it. */
  readonly next?: ConfigAddress;
}
export interface ConfigAddress {
  /** http or https; `#sha256=` at its end is what its bytes must come to. Secret. */
  readonly url: string;
  /** Of the request. Secret. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Never throws, and tells no value.
 *
 * @returns nothing for what is empty: many a cloud gives that to a machine without any
 */
export function readSource(bytes: Uint8Array, origin: string): SourceDocument | { readonly problem: string } | undefined {
  if (isBlank(bytes)) return undefined;
  const tree = readTree(bytes, origin);
  if (!("kind" in tree))
    return { problem: problemText({ ...tree, path: [] }) + (tree.hint === undefined ? "" : ` (${tree.hint})`) };
  const next = addressOf(tree);
  return {
    origin,
    text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
    keys: [...tree.entries.keys()].filter((key) => DOCUMENT_KEYS.has(key)),
    ...(next ? { next } : {}),
  };
}

const LONGEST_BLANK = 4096;
const BLANKS = new Set([0x09, 0x0a, 0x0d, 0x20]);
const isBlank = (bytes: Uint8Array): boolean => bytes.length <= LONGEST_BLANK && bytes.every((byte) => BLANKS.has(byte));

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
const HEADER_VALUE = /^[\x20-\x7e]{0,10000}$/;

/** What is malformed leads nowhere: that it is so is told where the document is judged. */
function addressOf(tree: MapTree): ConfigAddress | undefined {
  const value = child(tree, "config_url");
  if (!value) return undefined;
  const written = value.kind === "scalar" ? textOf(value) : textOf(child(value, "url"));
  const sha256 = child(value, "sha256");
  const url = written === undefined ? undefined : checkedUrl(written, sha256 ? (textOf(sha256) ?? "") : undefined);
  if (url === undefined) return undefined;
  const headers = child(value, "headers");
  if (!headers) return { url };
  if (headers.kind !== "map") return undefined;
  const fields = Array.from(headers.entries, ([name, entry]) => [name, textOf(entry.value)] as const);
  const isSound = fields.every(([name, text]) => HEADER_NAME.test(name) && text !== undefined && HEADER_VALUE.test(text));
  return isSound ? { url, headers: Object.fromEntries(fields) as Record<string, string> } : undefined;
}

const textOf = (value: Tree | undefined): string | undefined =>
  value?.kind === "scalar" && typeof value.value === "string" ? value.value : undefined;
