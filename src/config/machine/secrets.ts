/** @portable Which values of a document are nobody's business: what the schema marks. */
import type { Path } from "../issue-text.ts";
import type { JsonSchema } from "../recipe.ts";
import { machineConfigJsonSchema } from "./document.ts";

interface MarkedSchema extends JsonSchema {
  readonly $ref?: string;
  readonly definitions?: Readonly<Record<string, JsonSchema>>;
  readonly secret?: boolean;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly allOf?: readonly JsonSchema[];
  readonly propertyNames?: { readonly pattern?: string };
  /** Of a key that is refused. */
  readonly not?: object;
}

/** In place of a secret: a length or a part of a digest would say which guesses are worth a try. */
export const MASK = "<secret>";

/** Every schema that a value at this path may follow. */
function schemasAt(path: Path): readonly JsonSchema[] {
  let found: readonly JsonSchema[] = branches(machineConfigJsonSchema());
  for (const key of path) found = found.flatMap((schema) => below(schema, key)).flatMap(branches);
  return found;
}

/** The keys that a mapping at this path may have. */
export const keysAt = (path: Path): string[] => [
  ...new Set(
    schemasAt(path).flatMap(({ properties }) =>
      Object.entries(properties ?? {}).flatMap(([key, at]) => (isTaken(at) ? key : [])),
    ),
  ),
];
const isTaken = (schema: MarkedSchema): boolean => schema.not === undefined;

/** Every key of the language. */
export function allKeys(): string[] {
  const found = new Set<string>();
  JSON.stringify(machineConfigJsonSchema(), (_, value: unknown) => {
    for (const key of Object.keys((value as JsonSchema | null)?.properties ?? {})) found.add(key);
    return value;
  });
  return [...found];
}

/** Whether a key is a name that whoever wrote the document has chosen: of a variable, a user, an interface. */
export const isNameAt = (path: Path, key: string): boolean =>
  schemasAt(path).some(
    ({ additionalProperties: more, propertyNames }: MarkedSchema) =>
      typeof more === "object" && (propertyNames?.pattern === undefined || new RegExp(propertyNames.pattern).test(key)),
  );

/** Whether the value at the path is a secret, or lies in one. */
export const isSecret = (path: Path): boolean => path.some((_, depth) => schemasAt(path.slice(0, depth + 1)).some(isMarked));

/** Whether a value that stands at the path can be told in a message: it is no secret, holds none, and is known. */
export function isTold(path: Path): boolean {
  const schemas = schemasAt(path);
  return schemas.length > 0 && !isSecret(path) && !schemas.some(holdsSecret);
}

const isMarked = (schema: MarkedSchema): boolean => schema.secret === true;

function below(schema: MarkedSchema, key: PropertyKey): readonly JsonSchema[] {
  if (typeof key === "number") return [schema.items].flat().filter((one) => one !== undefined);
  const name = String(key);
  const known = schema.properties && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
  if (known) return [known];
  return typeof schema.additionalProperties === "object" ? [schema.additionalProperties] : [];
}

/** A schema in every form that a value may have. */
function branches(schema: MarkedSchema): readonly JsonSchema[] {
  if (schema.$ref !== undefined) return branches(defined(schema.$ref));
  return [schema, ...[...(schema.anyOf ?? []), ...(schema.allOf ?? [])].flatMap(branches)];
}

function defined(reference: string): JsonSchema {
  const { definitions = {} }: MarkedSchema = machineConfigJsonSchema();
  const found = definitions[reference.replace("#/definitions/", "")];
  if (!found) throw new Error(`the schema has no ${reference}`);
  return found;
}

function holdsSecret(schema: MarkedSchema): boolean {
  const { items, properties = {}, additionalProperties: more } = schema;
  const inner = [...[items].flat(), ...Object.values(properties), ...(typeof more === "object" ? [more] : [])];
  return inner.some((one) => one !== undefined && branches(one).some((branch) => isMarked(branch) || holdsSecret(branch)));
}
