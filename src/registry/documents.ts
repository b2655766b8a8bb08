/** The documents of a store, as far as it needs them. Pure; every text may be a stranger's. */
import * as z from "zod";
import { invalidAnswer } from "./errors.ts";
import { DIGEST, TAG } from "./reference.ts";

/** Source: OCI Image Format Specification 1.1, "Descriptor". */
const Descriptor = z.object({
  mediaType: z.string().regex(/^[\x21-\x7e]{1,255}$/, "must be a media type"),
  digest: z.string().regex(DIGEST, "must be a sha256 digest"),
  /** Bytes. */
  size: z.int().min(0),
  artifactType: z.string().optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type Descriptor = z.output<typeof Descriptor>;

/** What a store reads of a manifest or an index; the rest is whoever pushed it's. */
const Manifest = z.object({
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: z.looseObject({ mediaType: z.string() }).optional(),
  subject: Descriptor.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type ManifestHead = z.output<typeof Manifest>;

const MOST_ENTRIES = 10_000;
/** Entries that are kept as they were written: others' fields in them are not lost when an index is changed. */
const Entry = z.looseObject(Descriptor.shape);
const Index = z.looseObject({ schemaVersion: z.literal(2), manifests: z.array(Entry).max(MOST_ENTRIES) });
export type Index = z.output<typeof Index>;
const Tags = z.object({ tags: z.array(z.string().regex(TAG, "must be a tag")).nullish() });

const Contents = z.object({
  manifests: z.array(Descriptor).max(MOST_ENTRIES).nullish(),
  config: Descriptor.nullish(),
  layers: z.array(Descriptor).max(MOST_ENTRIES).nullish(),
});

/** What a manifest or an index names. An artifact without a configuration has none. */
export function parseContents(
  bytes: Uint8Array,
  origin: string,
): { readonly manifests: readonly Descriptor[]; readonly blobs: readonly Descriptor[] } {
  const { manifests, config, layers } = parse(Contents, bytes, origin);
  return { manifests: manifests ?? [], blobs: [...(config ? [config] : []), ...(layers ?? [])] };
}

export const parseManifestHead = (bytes: Uint8Array, origin: string): ManifestHead => parse(Manifest, bytes, origin);
export const parseIndex = (bytes: Uint8Array, origin: string): Index => parse(Index, bytes, origin);
export const parseTags = (bytes: Uint8Array, origin: string): readonly string[] => parse(Tags, bytes, origin).tags ?? [];

/** @throws StoreError `REGISTRY_INVALID` */
export function parse<T>(schema: z.ZodType<T>, bytes: Uint8Array, origin: string): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalidAnswer(origin, "is not JSON", cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalidAnswer(origin, `${issue?.path.join(".") || "it"}: ${issue?.message}`, parsed.error);
}

/** Where those keep the referrers of a manifest that have no API for them. Source: OCI Distribution Specification 1.1, "Referrers Tag Schema" */
export const referrersTag = (digest: string): string => digest.replace(":", "-");

/** What a manifest is listed as among the referrers of its subject. Source: OCI Distribution Specification 1.1, "Listing Referrers" */
export function asReferrer({ mediaType, digest, size }: Descriptor, head: ManifestHead): Descriptor {
  const artifactType = head.artifactType ?? head.config?.mediaType;
  const { annotations } = head;
  return {
    ...{ mediaType, digest, size },
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** The targets of `rel="next"`. Source: RFC 8288; registries write only one kind of it */
export function nextPage(link: string | undefined): string | undefined {
  for (const [, target, parameters] of (link ?? "").matchAll(/<([^<>\s]{1,4096})>([^,<]*)/g)) {
    if (/;\s*rel\s*=\s*"?next"?\s*(?:;|$)/i.test(parameters!)) return target;
  }
  return undefined;
}
