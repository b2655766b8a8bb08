/** @portable YAML or JSON of a cloud, which is no machine config, under the same limits as one. */
import { problemText } from "../problems.ts";
import { readTree } from "../read-yaml.ts";
import { plain } from "../tree.ts";

const FIRST_LINE = new TextEncoder().encode("#cloud-config\n");

/** Never throws, and tells no value. @returns an empty mapping for what is empty */
export function readPlain(
  bytes: Uint8Array,
  origin: string,
): { readonly value: Readonly<Record<string, unknown>> } | { readonly problem: string } {
  const isMarked = FIRST_LINE.every((byte, at) => bytes[at] === byte);
  const text = new Uint8Array(FIRST_LINE.length + bytes.length);
  text.set(FIRST_LINE);
  text.set(bytes, FIRST_LINE.length);
  const tree = readTree(isMarked ? bytes : text, origin);
  if ("kind" in tree) return { value: plain(tree) as Readonly<Record<string, unknown>> };
  const line = Math.max(1, tree.at.line - (isMarked ? 0 : 1));
  return { problem: problemText({ ...tree, at: { ...tree.at, line }, path: [] }) };
}
