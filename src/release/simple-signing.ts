/**
 * @portable Signatures of cosign 2: a small JSON document that names a digest, signed, as a layer of an image whose tag is made from that digest.
 * Source: cosign, specs/SIGNATURE_SPEC.md.
 */
import { z } from "zod";
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
  const payloads = signatures.map(({ payload }) => ({
    descriptor: descriptorOf(PAYLOAD_MEDIA, payload, sha256),
    bytes: payload,
  }));
  const layers = payloads.map(({ descriptor }, i) => ({
    ...descriptor,
    annotations: { [SIGNATURE_ANNOTATION]: base64(signatures[i]!.signature) },
  }));
  const bytes = new TextEncoder().encode(
    JSON.stringify({
      ...{ architecture: "", created: "0001-01-01T00:00:00Z", os: "", config: {} },
      history: layers.map(() => ({ created: "0001-01-01T00:00:00Z" })),
      rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
    }),
  );
  const config = descriptorOf(OCI_MEDIA.config, bytes, sha256);
  return {
    manifest: new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MEDIA.manifest, config, layers })),
    blobs: [{ descriptor: config, bytes }, ...payloads],
  };
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
