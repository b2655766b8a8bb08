/**
 * @portable Signatures of cosign 3: Sigstore bundles of version 0.3 that refer to the manifest they are about; made with a key pair, without certificates
 * and without a transparency log. Source: protobuf-specs, sigstore_bundle.proto; DSSE, protocol.md.
 */
import * as z from "zod";
import { hex, type Sha256 } from "../core/digest.ts";
import type { SignatureClaim, SigningKey } from "../core/signature.ts";
import type { Descriptor } from "../layout/oci-image.ts";
import { base64, bytesOfBase64 } from "../layout/base64.ts";
import { IN_TOTO_MEDIA, isAbout, parseStatement, statement, type Statement } from "./in-toto.ts";
import { referrer, type OciArtifact } from "./oci-artifact.ts";

/** Also the artifact type of the manifest that carries a bundle. */
export const BUNDLE_MEDIA = "application/vnd.dev.sigstore.bundle.v0.3+json";
const MEDIA = new Set([BUNDLE_MEDIA, "application/vnd.dev.sigstore.bundle+json;version=0.3"]);
/** The statement that says nothing but: this is signed. Source: cosign, pkg/types/predicate.go */
const SIGNED = "https://sigstore.dev/cosign/sign/v1";
/** Bytes. Statements hold whole bills of materials. */
const LARGEST = 33_554_432;

/** What a DSSE signature is made over: it says of which type the payload is. Source: DSSE, protocol.md, "PAE" */
export function preAuthEncoding(type: string, payload: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(`DSSEv1 ${new TextEncoder().encode(type).length} ${type} ${payload.length} `);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
}

const encode = (key: SigningKey, sha256: Sha256, content: object): Uint8Array =>
  new TextEncoder().encode(
    JSON.stringify({
      mediaType: BUNDLE_MEDIA,
      verificationMaterial: { publicKey: { hint: base64(sha256.digest(key.publicKey)) } },
      ...content,
    }),
  );

/** A signed statement. */
export function signStatement(said: Statement, key: SigningKey, sha256: Sha256): Uint8Array {
  const payload = new TextEncoder().encode(JSON.stringify(said));
  const sig = base64(key.sign(preAuthEncoding(IN_TOTO_MEDIA, payload)));
  return encode(key, sha256, { dsseEnvelope: { payload: base64(payload), payloadType: IN_TOTO_MEDIA, signatures: [{ sig }] } });
}

/** The signature of a manifest, as `cosign sign` makes it. @param digest `sha256:…` */
export const signDigest = (digest: string, key: SigningKey, sha256: Sha256): Uint8Array =>
  signStatement(statement(digest, SIGNED, {}), key, sha256);

/** The signature of a file, as `cosign sign-blob --bundle` makes it. */
export const signFile = (bytes: Uint8Array, key: SigningKey, sha256: Sha256): Uint8Array =>
  encode(key, sha256, {
    messageSignature: {
      messageDigest: { algorithm: "SHA2_256", digest: base64(sha256.digest(bytes)) },
      signature: base64(key.sign(bytes)),
    },
  });

/** The artifact that brings a statement's bundle to a registry. @param created seconds since 1970 */
export function bundleReferrer(
  input: { readonly subject: Descriptor; readonly bundle: Uint8Array; readonly predicateType?: string; readonly created: number },
  sha256: Sha256,
): OciArtifact {
  const { subject, bundle, predicateType = SIGNED, created } = input;
  const annotations = {
    "dev.sigstore.bundle.content": "dsse-envelope",
    "dev.sigstore.bundle.predicateType": predicateType,
    "org.opencontainers.image.created": new Date(created * 1000).toISOString().replace(/\.\d+Z$/, "Z"),
  };
  return referrer({ subject, artifactType: BUNDLE_MEDIA, bytes: bundle, annotations, sha256 });
}

const Base64 = z.string().transform((text, context) => {
  const bytes = bytesOfBase64(text);
  if (!bytes) context.addIssue("is not base64");
  return bytes ?? new Uint8Array();
});
const Bundle = z.object({
  mediaType: z.string().refine((type) => MEDIA.has(type)),
  // Certificates are for signatures without a key pair: they need a log, and a clock.
  verificationMaterial: z.object({ publicKey: z.object({ hint: z.string().optional() }) }),
  // "Clients MUST reject an envelope if the number of signatures is not equal to one."
  dsseEnvelope: z
    .object({ payload: Base64, payloadType: z.literal(IN_TOTO_MEDIA), signatures: z.array(z.object({ sig: Base64 })).length(1) })
    .optional(),
  messageSignature: z
    .object({ messageDigest: z.object({ algorithm: z.literal("SHA2_256"), digest: Base64 }).optional(), signature: Base64 })
    .optional(),
});

function parse(bytes: Uint8Array): z.output<typeof Bundle> | undefined {
  if (bytes.length > LARGEST) return undefined;
  try {
    const bundle = Bundle.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
    return (bundle.dsseEnvelope === undefined) === (bundle.messageSignature === undefined) ? undefined : bundle;
  } catch {
    return undefined;
  }
}

/** A statement about the manifest of that digest, and the claim that makes it somebody's; nothing for anything else. */
export function statementClaim(
  bundle: Uint8Array,
  digest: string,
): { readonly statement: Statement; readonly claim: SignatureClaim } | undefined {
  const envelope = parse(bundle)?.dsseEnvelope;
  const said = envelope && parseStatement(envelope.payload);
  if (!said || !isAbout(said, digest)) return undefined;
  const message = preAuthEncoding(envelope.payloadType, envelope.payload);
  return { statement: said, claim: { message, signature: envelope.signatures[0]!.sig } };
}

/** What a bundle claims about the manifest of that digest: that it is signed. A statement of another kind, a bill of materials, is no such claim. */
export function digestClaim(bundle: Uint8Array, digest: string): SignatureClaim | undefined {
  const found = statementClaim(bundle, digest);
  return found?.statement.predicateType === SIGNED ? found.claim : undefined;
}

/** What a bundle claims about a file: that it is signed. */
export function fileClaim(bundle: Uint8Array, file: Uint8Array, sha256: Sha256): SignatureClaim | undefined {
  const found = parse(bundle)?.messageSignature;
  if (!found || (found.messageDigest && hex(found.messageDigest.digest) !== hex(sha256.digest(file)))) return undefined;
  return { message: file, signature: found.signature };
}
