/** JSON Schemas of what `--attack-surface --json` prints: schemas/attack-surface.json, schemas/attack-surface-diff.json. */
import { FINDING_KINDS } from "../layout/attack-surface/finding.ts";

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

const text = { type: "string" } as const;
const closed = (properties: Readonly<Record<string, object>>, description?: string): object => ({
  type: "object",
  ...(description === undefined ? {} : { description }),
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
const kind = { enum: FINDING_KINDS, description: "docs/concepts/attack-surface.md" };
const finding = closed({
  kind,
  name: { ...text, description: "a path, or whatever else names it among its kind" },
  detail: { ...text, description: "what else there is to say, or empty; never a version" },
});
const counts = closed(
  Object.fromEntries(FINDING_KINDS.map((one) => [one, { type: "integer", minimum: 0 }])),
  "of each kind, whatever was asked for",
);
const list = (items: object, description: string): object => ({ type: "array", description, items });

export const attackSurfaceJsonSchema = (): object => ({
  $schema: DIALECT,
  title: "petrify inspect --attack-surface --json, the value of the result",
  ...closed({
    counts,
    findings: list(finding, "by kind, each kind by name"),
    notes: list(text, "what cannot be known from an image, a sentence each"),
  }),
});

export const attackSurfaceDiffJsonSchema = (): object => ({
  $schema: DIALECT,
  title: "petrify diff-image --attack-surface --json, the value of the result",
  ...closed({
    grew: { type: "boolean", description: "whether anything was added or changed" },
    added: list(finding, "in the second image only"),
    removed: list(finding, "in the first image only"),
    changed: list(closed({ kind, name: text, from: text, to: text }), "in both, with other details"),
    counts: closed({ from: counts, to: counts }),
  }),
});
