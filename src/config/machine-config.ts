/** @portable What makes a machine this one: a cloud-config document. By hand: a schema library would cost an installer's memory. docs/formats/machine-config.md */
import { isAlias, isMap, isScalar, LineCounter, parseDocument, type Document } from "yaml";
import { AppError } from "../core/error.ts";
import { KiB } from "../core/units.ts";
import { AFTER_INSTALL } from "../layout/install.ts";
import type { InstallWish } from "../layout/install-words.ts";
import { MACHINE_CONFIG_LIMIT } from "../layout/machine-config-place.ts";
import { nearest } from "./nearest.ts";

/** What is known of a machine config so far; every other key is kept as it is. */
export interface MachineConfig {
  readonly install: InstallWish;
}

/** Source: cloud-init, "User data formats" */
const FIRST_LINE = /^#cloud-config[ \t]*\r?(?:\n|$)/;
const DOCS = "See docs/formats/machine-config.md.";

/** Keys of `install`. */
const KEYS: Readonly<Record<string, { readonly expects: string; readonly fits: (value: unknown) => boolean }>> = {
  device: { expects: "the name of a disk", fits: (value) => typeof value === "string" && value.trim() !== "" },
  wipe: { expects: "true or false", fits: (value) => typeof value === "boolean" },
  after: { expects: AFTER_INSTALL.join(" or "), fits: (value) => AFTER_INSTALL.some((one) => one === value) },
};

/**
 * Reads as much of a document as is known. Nothing of its values is in a message but those of `install`: others may be secrets.
 *
 * @param origin how the text is called in errors
 * @throws AppError `MACHINE_CONFIG_INVALID`: a problem a line, each `origin:line:column: key: what is wrong`
 */
export function parseMachineConfig(text: string, origin: string): MachineConfig {
  if (text.length > MACHINE_CONFIG_LIMIT) {
    throw invalid(`${origin}: a machine config of more than ${MACHINE_CONFIG_LIMIT / KiB} KiB is not read`);
  }
  if (!FIRST_LINE.test(text)) {
    throw invalid(`${origin}:1:1: it is no machine config: its first line has to be #cloud-config`);
  }
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${origin}:${line || 1}:${col || 1}`;
  };
  const document = readYaml(text, lines, origin);
  const [broken] = document.errors;
  if (broken) {
    const why = broken.code === "MULTIPLE_DOCS" ? "a second document starts here" : `this is no YAML (${broken.code})`;
    throw invalid(`${at(broken.pos[0])}: ${why}`);
  }
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) return { install: {} };
  if (!isMap(contents)) throw invalid(`${at(contents.range?.[0] ?? 0)}: the document must be a mapping`);
  const pair = contents.items.find(({ key }) => isScalar(key) && key.value === "install");
  if (!pair) return { install: {} };
  const where = offsetOf(pair.key);
  const install = isAlias(pair.value) ? pair.value.resolve(document) : pair.value;
  if (!isMap(install)) throw invalid(`${at(where)}: install: must be a mapping`);
  const problems: string[] = [];
  const wish: Record<string, unknown> = {};
  let hint: string | undefined;
  for (const { key, value: node } of install.items) {
    const name = isScalar(key) ? String(key.value) : "";
    const known = Object.hasOwn(KEYS, name) ? KEYS[name] : undefined;
    if (!known) {
      const meant = nearest(name, Object.keys(KEYS));
      problems.push(`${at(offsetOf(key))}: install.${name.slice(0, 40)}: is not a key of install`);
      hint ??= meant === undefined ? `Keys here: ${Object.keys(KEYS).join(", ")}.` : `Did you mean install.${meant}?`;
      continue;
    }
    const resolved = isAlias(node) ? node.resolve(document) : node;
    const value = isScalar(resolved) ? resolved.value : resolved;
    if (known.fits(value)) wish[name] = typeof value === "string" ? value.trim() : value;
    else problems.push(`${at(offsetOf(node) || offsetOf(key))}: install.${name}: must be ${known.expects}${found(value)}`);
  }
  if (problems.length > 0) throw invalid(problems.join("\n"), hint);
  return { install: wish };
}

function readYaml(text: string, lines: LineCounter, origin: string): Document {
  try {
    return parseDocument(text, { lineCounter: lines, prettyErrors: false, version: "1.2" });
  } catch (cause) {
    // Nested too deep for the parser's stack.
    throw new AppError("MACHINE_CONFIG_INVALID", `${origin}: it is no YAML that can be read`, { hint: DOCS, cause });
  }
}

function offsetOf(node: unknown): number {
  const { range } = (node ?? {}) as { readonly range?: readonly number[] | null };
  return range?.[0] ?? 0;
}

function found(value: unknown): string {
  if (value === null || value === undefined) return ", found nothing";
  if (typeof value === "object") return "";
  return `, found ${JSON.stringify(`${value as string | number | boolean}`.slice(0, 40))}`;
}

const invalid = (message: string, hint = DOCS): AppError => new AppError("MACHINE_CONFIG_INVALID", message, { hint });
