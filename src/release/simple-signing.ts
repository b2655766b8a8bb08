/**
 * @portable Signatures of cosign 2: a small JSON document that names a digest, signed, as a layer of an image whose tag is made from that digest.
 * Source: cosign, specs/SIGNATURE_SPEC.md.
 */
import * as z from "zod";
import type { Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import type { SignatureClaim, SigningKey } from "../core/signature.ts";
import { OCI_MEDIA, type Descriptor } from "../layout/oci-image.ts";
import { base64, bytesOfBase64 } from "../layout/base64.ts";
import { descriptorOf, type OciArtifact } from "./oci-artifact.ts";
import { MOST_CLAIMS } from "./signers.ts";

const PAYLOAD_MEDIA = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature";
const PAYLOAD_TYPE = "cosign container image signature";
/** Bytes. cosign's have about 250, and what is signed along with them. */
const LARGEST_PAYLOAD = 65_536;
const LARGEST_CONFIG = 1_048_576;

/** The tag where the signatures of a manifest are. @param digest `sha256:…` */
export const signatureTag = (digest: string): string => `${digest.replace(":", "-")}.sig`;

export interface SimpleSignature {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}
export interface SimpleSigningInput {
  /** Of the manifest that is signed: `sha256:…`. */
  readonly digest: string;
  /** Where it is, without tag and digest: `registry.example/edge`. Nothing is decided by it: images are copied to other places. */
  readonly repository: string;
  readonly key: SigningKey;
}

export function signSimple({ digest, repository, key }: SimpleSigningInput): SimpleSignature {
  const payload = new TextEncoder().encode(
    JSON.stringify({
      critical: { identity: { "docker-reference": repository }, image: { "docker-manifest-digest": digest }, type: PAYLOAD_TYPE },
      optional: null,
    }),
  );
  return { payload, signature: key.sign(payload) };
}

/** The image to push under {@link signatureTag}, with all signatures of one manifest: it replaces what is there. */
export function signatureImage(signatures: readonly SimpleSignature[], sha256: Sha256): OciArtifact {
  const parts = signatures.map((signature) => layerOf(signature, sha256));
  const layers = parts.map(({ layer }) => layer);
  const bytes = new TextEncoder().encode(
    JSON.stringify({
      ...{ architecture: "", created: "0001-01-01T00:00:00Z", os: "", config: {} },
      history: layers.map(() => EMPTY_HISTORY),
      rootfs: { type: "layers", diff_ids: parts.map(({ descriptor }) => descriptor.digest) },
    }),
  );
  const config = descriptorOf(OCI_MEDIA.config, bytes, sha256);
  return {
    manifest: new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MEDIA.manifest, config, layers })),
    blobs: [{ descriptor: config, bytes }, ...parts.map(({ descriptor }, i) => ({ descriptor, bytes: signatures[i]!.payload }))],
  };
}

const Image = z.looseObject({
  schemaVersion: z.literal(2),
  config: z.looseObject({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/), size: z.int().min(0).max(LARGEST_CONFIG) }),
  layers: z.array(z.looseObject({})).max(1000),
});
const Config = z.looseObject({
  history: z.array(z.unknown()).optional(),
  rootfs: z.looseObject({ diff_ids: z.array(z.string()) }),
});

/** What {@link addSignature} needs besides the manifest; nothing where that is no image of signatures. */
export function signatureConfig(manifest: Uint8Array): Pick<Descriptor, "digest" | "size"> | undefined {
  return Image.safeParse(json(manifest)).data?.config;
}

/**
 * The same image with one signature more; what others have written into it stays as it is.
 *
 * @param image manifest and config, as they are stored
 * @returns nothing where that is no image of signatures
 */
export function addSignature(
  image: { readonly manifest: Uint8Array; readonly config: Uint8Array },
  signature: SimpleSignature,
  sha256: Sha256,
): OciArtifact | undefined {
  const manifest = Image.safeParse(json(image.manifest)).data;
  const config = Config.safeParse(json(image.config)).data;
  if (!manifest || !config || config.rootfs.diff_ids.length !== manifest.layers.length) return undefined;
  const { descriptor, layer } = layerOf(signature, sha256);
  const { history, rootfs } = config;
  const next = new TextEncoder().encode(
    JSON.stringify({
      ...config,
      ...(history ? { history: [...history, EMPTY_HISTORY] } : {}),
      rootfs: { ...rootfs, diff_ids: [...rootfs.diff_ids, descriptor.digest] },
    }),
  );
  const described = descriptorOf(OCI_MEDIA.config, next, sha256);
  const { digest, size } = described;
  const layers = [...manifest.layers, layer];
  return {
    manifest: new TextEncoder().encode(JSON.stringify({ ...manifest, config: { ...manifest.config, digest, size }, layers })),
    blobs: [
      { descriptor: described, bytes: next },
      { descriptor, bytes: signature.payload },
    ],
  };
}

const EMPTY_HISTORY = { created: "0001-01-01T00:00:00Z" };

function layerOf(
  { payload, signature }: SimpleSignature,
  sha256: Sha256,
): { readonly descriptor: Descriptor; readonly layer: object } {
  const descriptor = descriptorOf(PAYLOAD_MEDIA, payload, sha256);
  return { descriptor, layer: { ...descriptor, annotations: { [SIGNATURE_ANNOTATION]: base64(signature) } } };
}

const Manifest = z.object({
  schemaVersion: z.literal(2),
  layers: z
    .array(
      z.object({
        mediaType: z.string(),
        digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
        size: z.int().min(0),
        annotations: z.record(z.string(), z.string()).nullish(),
      }),
    )
    .max(1000),
});

/**
 * The payloads to fetch from such an image, and the signature of each; at most {@link MOST_CLAIMS}.
 *
 * @param origin names it in messages
 * @throws AppError `SIGNATURE_INVALID` for what is no image
 */
export function readSignatureImage(
  manifest: Uint8Array,
  origin: string,
): readonly { readonly payload: Descriptor; readonly signature: Uint8Array }[] {
  const parsed = Manifest.safeParse(json(manifest));
  if (!parsed.success) {
    throw new AppError("SIGNATURE_INVALID", `${origin}: is not an image of signatures`, {
      hint: "Sign the release again: `petrify push --sign`, or `cosign sign`.",
      cause: parsed.error,
    });
  }
  const found = parsed.data.layers.flatMap(({ mediaType, digest, size, annotations }) => {
    const signature = bytesOfBase64(annotations?.[SIGNATURE_ANNOTATION] ?? "");
    if (mediaType !== PAYLOAD_MEDIA || size > LARGEST_PAYLOAD || !signature || signature.length === 0) return [];
    return [{ payload: { mediaType, digest, size }, signature }];
  });
  return found.slice(0, MOST_CLAIMS);
}

const Payload = z.object({
  critical: z.object({ image: z.object({ "docker-manifest-digest": z.string() }), type: z.literal(PAYLOAD_TYPE) }),
});

/** What a payload claims about the manifest of that digest; nothing where it is about another one, or none. */
export function simpleClaim({ payload, signature }: SimpleSignature, digest: string): SignatureClaim | undefined {
  if (payload.length > LARGEST_PAYLOAD) return undefined;
  const parsed = Payload.safeParse(json(payload));
  if (!parsed.success || parsed.data.critical.image["docker-manifest-digest"] !== digest) return undefined;
  return { message: payload, signature };
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
