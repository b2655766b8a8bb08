/** @portable How registries are reached: mirrors, authorities, plain HTTP. docs/formats/registries.md */
import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from "yaml";
import * as z from "zod";
import { AppError } from "../core/error.ts";
import { KiB } from "../core/units.ts";
import { nearest } from "./nearest.ts";

const HOST = String.raw`(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:)|\[[0-9a-fA-F:]{2,39}\])(?::[1-9]\d{0,4})?`;
const PATH = String.raw`(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*`;
const PREFIX = new RegExp(`^${HOST}${PATH}$`);
const MIRROR = new RegExp(`^(?:http:\\/\\/)?${HOST}${PATH}$`);

const Registry = z.strictObject({
  mirrors: z
    .array(
      z
        .string()
        .regex(MIRROR, "must be a registry, perhaps with a path, e.g. mirror.example:5000/team; http:// in front is plain HTTP"),
    )
    .max(8)
    .default([])
    .describe("Tried in this order before the registry itself, for reading only; each takes the place of the prefix"),
  ca: z
    .string()
    .min(1, "must be the path of a file")
    .optional()
    .describe("A file with certificates (PEM) of authorities that are trusted besides the public ones, as seen from this file"),
  plainHttp: z.boolean().default(false).describe("Nothing is encrypted: whoever is on the line reads and changes everything"),
});
const Registries = z.strictObject({
  registries: z
    .record(
      z
        .string()
        .regex(PREFIX, "must be a registry, perhaps with the beginning of a repository's name, e.g. registry.example/team"),
      Registry,
    )
    .default({}),
});
/** How one registry, or a part of it, is reached. */
export type RegistrySetting = z.output<typeof Registry>;
/** Settings by the beginning of a name: `registry.example`, `registry.example/team`. */
export type RegistrySettingsByPrefix = Readonly<Record<string, RegistrySetting>>;

const LARGEST = 256 * KiB;
const SHOWN = 10;
const KEYS = Object.keys(Registry.shape);
const DOCS = "See docs/formats/registries.md.";

/**
 * @param origin how the text is called in errors
 * @throws AppError `REGISTRIES_INVALID`: a problem a line, each `origin:line:column: key: what is wrong`
 */
export function parseRegistries(text: string, origin: string): RegistrySettingsByPrefix {
  if (text.length > LARGEST) throw invalid(`${origin}: settings of more than ${LARGEST / KiB} KiB are not read`);
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${origin}:${line || 1}:${col || 1}`;
  };
  let document: Document;
  let value: unknown;
  try {
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, version: "1.2" });
    if (document.errors.length + document.warnings.length === 0) value = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw invalid(`${origin}: is not YAML that can be read`, DOCS, cause);
  }
  const [broken] = [...document.errors, ...document.warnings];
  if (broken) throw invalid(`${at(broken.pos[0])}: not YAML: ${broken.message}`, DOCS, broken);
  const parsed = Registries.safeParse(value ?? {});
  if (parsed.success) return parsed.data.registries;
  let hint: string | undefined;
  const problems = parsed.error.issues.flatMap((issue) => {
    const known = issue.path.length === 0 ? ["registries"] : KEYS;
    if (issue.code !== "unrecognized_keys") {
      const why = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
      return [`${at(offsetOf(document, issue.path))}: ${dotted(issue.path)}: ${why}`];
    }
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      hint ??= meant === undefined ? `Keys here: ${known.join(", ")}.` : `Did you mean ${meant}?`;
      return `${at(offsetOf(document, [...issue.path, key]))}: ${dotted([...issue.path, key])}: is not a key of these settings`;
    });
  });
  throw invalid(problems.slice(0, SHOWN).join("\n"), hint, parsed.error);
}

/** The setting with the longest prefix that fits, whole parts of a name only; it counts alone. */
export function settingFor(
  settings: RegistrySettingsByPrefix,
  registry: string,
  repository: string,
): { readonly prefix: string; readonly setting: RegistrySetting } | undefined {
  const parts = repository.split("/");
  for (let length = parts.length; length >= 0; length--) {
    const prefix = [registry, ...parts.slice(0, length)].join("/");
    const setting = Object.hasOwn(settings, prefix) ? settings[prefix] : undefined;
    if (setting) return { prefix, setting };
  }
  return undefined;
}

const invalid = (message: string, hint = DOCS, cause?: unknown): AppError =>
  new AppError("REGISTRIES_INVALID", message, { hint, cause });

const dotted = (path: readonly PropertyKey[]): string => (path.length === 0 ? "(top level)" : path.map(String).join(" → "));

/** Where a key is written, or the nearest thing around it. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const around = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1]!;
    const pair = isMap(around) ? around.items.find((item) => isScalar(item.key) && item.key.value === key) : undefined;
    if (isScalar(pair?.key) && pair.key.range) return pair.key.range[0];
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}
