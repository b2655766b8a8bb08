/** @portable What clouds say of a machine besides its user data, as documents: name, keys, and which instance it is. Source: cloud-init, "Instance metadata", "NoCloud" */
import { hostOf } from "./host-name.ts";
import { readPlain } from "./read-plain.ts";

/** What meta-data comes to. */
export interface MetaData {
  /** Another one is another machine, for what is done once. */
  readonly instance?: string;
  readonly hostname?: string;
  /** Public keys of the default user. */
  readonly keys: readonly string[];
}

const FIRST_LINE = "#cloud-config\n";
const INSTANCE_LINE = "# instance-id: ";
/** Printable, as it stands in a comment and in a record. */
const INSTANCE_FORM = /^[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?$/;

/**
 * As a document of its own: what was found is kept with the other documents, so that a machine knows which instance it is when nobody tells it any more.
 *
 * @returns nothing when there is nothing in it
 */
export function metaDocument({ instance, hostname, keys }: MetaData): string | undefined {
  const known = instance !== undefined && INSTANCE_FORM.test(instance) ? `${INSTANCE_LINE}${instance}\n` : "";
  const config = {
    ...(hostname === undefined || hostname === "" ? {} : hostOf(hostname)),
    ...(keys.length > 0 ? { ssh_authorized_keys: keys } : {}),
  };
  if (known === "" && Object.keys(config).length === 0) return undefined;
  return `${FIRST_LINE}${known}${JSON.stringify(config, undefined, 2)}\n`;
}

/** The instance of a document that {@link metaDocument} made. */
export function instanceOf(text: string): string | undefined {
  const start = FIRST_LINE + INSTANCE_LINE;
  return text.startsWith(start) ? text.slice(start.length).split("\n", 1)[0] : undefined;
}

/** `meta-data` of NoCloud, YAML or JSON. Never throws. */
export function noCloudMeta(bytes: Uint8Array, origin: string): MetaData | { readonly problem: string } {
  const read = readPlain(bytes, origin);
  if ("problem" in read) return read;
  const { value } = read;
  if (value["seedfrom"] !== undefined)
    return { problem: `${origin}: seedfrom is not followed (name further documents by config_url of user-data)` };
  return metaOf(value["instance-id"] ?? value["instance_id"], value["local-hostname"] ?? value["hostname"], [
    ...publicKeys(value["public-keys"]),
    ...publicKeys(value["public_keys"]),
  ]);
}

/** `meta_data.json` of a config drive. Never throws. Source: OpenStack Nova, "Metadata" */
export function openStackMeta(bytes: Uint8Array, origin: string): MetaData | { readonly problem: string } {
  const read = readPlain(bytes, origin);
  if ("problem" in read) return read;
  const { value } = read;
  return metaOf(value["uuid"], value["hostname"] ?? value["name"], publicKeys(value["public_keys"]));
}

/** Values of a metadata service, as it has them. */
export const ec2Meta = (instance: string | undefined, hostname: string | undefined, keys: readonly string[]): MetaData =>
  metaOf(instance?.trim(), hostname?.trim(), keys.flatMap(publicKeys));

function metaOf(instance: unknown, hostname: unknown, keys: readonly string[]): MetaData {
  return {
    ...(typeof instance === "string" || typeof instance === "number" ? { instance: String(instance) } : {}),
    ...(typeof hostname === "string" ? { hostname } : {}),
    keys: [...new Set(keys)],
  };
}

/** One key, lines of them, a list, a mapping of names to keys, or of numbers to what has an `openssh-key`. */
function publicKeys(value: unknown): string[] {
  if (typeof value === "string")
    return value
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#"));
  if (Array.isArray(value)) return value.flatMap(publicKeys);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([, one]) =>
    typeof one === "object" && one !== null && "openssh-key" in one ? publicKeys(one["openssh-key"]) : publicKeys(one),
  );
}
