import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { COSIGN } from "../../tests/support/cosign-vectors.ts";
import { newKeyPair } from "../../tests/support/signing.ts";
import type { SignatureClaim } from "../core/signature.ts";
import { ecdsa } from "../host/ecdsa.ts";
import { sha256 } from "../host/sha256.ts";
import { parsePublicKey } from "../layout/public-key.ts";
import { statement } from "./in-toto.ts";
import { descriptorOf } from "./oci-artifact.ts";
import {
  BUNDLE_MEDIA,
  bundleReferrer,
  digestClaim,
  fileClaim,
  preAuthEncoding,
  signDigest,
  signFile,
  signStatement,
  statementClaim,
} from "./sigstore-bundle.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const cosignKey = parsePublicKey(COSIGN.publicKey, "cosign.pub");
const key = newKeyPair();
const { digest } = COSIGN;
const by = (publicKey: Uint8Array, claim: SignatureClaim | undefined): boolean =>
  claim !== undefined && ecdsa.verify(publicKey, claim);

test("cosign's bundles are verified: of a manifest, and of a file", () => {
  assert.ok(by(cosignKey, digestClaim(bytes(COSIGN.bundle), digest)));
  assert.ok(by(cosignKey, fileClaim(bytes(COSIGN.fileBundle), bytes("hello\n"), sha256)));
});

test("our bundles are verified, name the key as cosign does, and are nobody else's", () => {
  const bundle = signDigest(digest, key, sha256);
  assert.ok(by(key.publicKey, digestClaim(bundle, digest)));
  assert.ok(!by(cosignKey, digestClaim(bundle, digest)));
  assert.ok(by(key.publicKey, fileClaim(signFile(bytes("x"), key, sha256), bytes("x"), sha256)));
  const hint = JSON.parse(COSIGN.bundle).verificationMaterial.publicKey.hint;
  const asCosign = signDigest(digest, { ...key, publicKey: cosignKey }, sha256);
  assert.equal(JSON.parse(new TextDecoder().decode(asCosign)).verificationMaterial.publicKey.hint, hint);
});

test("what is signed of a statement says its type and its length", () => {
  // Source: DSSE, protocol.md, "Test vectors"
  const message = preAuthEncoding("http://example.com/HelloWorld", bytes("hello world"));
  assert.equal(new TextDecoder().decode(message), "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
});

test("a statement of another kind is read as what it is, and is no signature of the release", () => {
  const said = statement(digest, "https://cyclonedx.org/bom", { components: [] }, "edge");
  const bundle = signStatement(said, key, sha256);
  const found = statementClaim(bundle, digest);
  assert.deepEqual(found?.statement, said);
  assert.ok(by(key.publicKey, found?.claim));
  assert.equal(digestClaim(bundle, digest), undefined);
});

test("a statement of the older version, which cosign 2 writes, is read too; one of none is not", () => {
  const said = statement(digest, "https://petrify.example/test/v1", {});
  for (const [type, read] of [
    ["https://in-toto.io/Statement/v0.1", true],
    ["https://in-toto.io/Statement/v9", false],
  ] as const) {
    const found = statementClaim(signStatement({ ...said, _type: type as typeof said._type }, key, sha256), digest);
    assert.equal(found !== undefined, read);
  }
});

const theirs = JSON.parse(COSIGN.bundle);
const { dsseEnvelope: envelope } = theirs;
const other = `sha256:${"0".repeat(64)}`;
for (const [what, bundle] of [
  ["of a later version", { ...theirs, mediaType: BUNDLE_MEDIA.replace("v0.3", "v0.4") }],
  ["with a certificate instead of a key", { ...theirs, verificationMaterial: { certificate: { rawBytes: "AAAA" } } }],
  [
    "with two signatures",
    { ...theirs, dsseEnvelope: { ...envelope, signatures: [...envelope.signatures, ...envelope.signatures] } },
  ],
  ["without a signature", { ...theirs, dsseEnvelope: { ...envelope, signatures: [] } }],
  ["of another payload type", { ...theirs, dsseEnvelope: { ...envelope, payloadType: "application/json" } }],
  ["with base64 in another form", { ...theirs, dsseEnvelope: { ...envelope, payload: `${envelope.payload}\n` } }],
  ["of a file and a statement at once", { ...theirs, messageSignature: JSON.parse(COSIGN.fileBundle).messageSignature }],
  ["without anything", { ...theirs, dsseEnvelope: undefined }],
] as const) {
  test(`a bundle ${what} claims nothing`, () => {
    assert.equal(digestClaim(bytes(JSON.stringify(bundle)), digest), undefined);
  });
}

test("a bundle about another manifest claims nothing, however well it is signed", () => {
  assert.equal(digestClaim(signDigest(other, key, sha256), digest), undefined);
  assert.equal(digestClaim(signDigest(digest.replace("sha256", "sha512"), key, sha256), digest), undefined);
  assert.equal(fileClaim(signFile(bytes("x"), key, sha256), bytes("y"), sha256), undefined);
});

test("without the digest in the bundle, the file itself still has to be the one that is signed", () => {
  const bundle = JSON.parse(new TextDecoder().decode(signFile(bytes("x"), key, sha256)));
  delete bundle.messageSignature.messageDigest;
  assert.ok(by(key.publicKey, fileClaim(bytes(JSON.stringify(bundle)), bytes("x"), sha256)));
  assert.ok(!by(key.publicKey, fileClaim(bytes(JSON.stringify(bundle)), bytes("y"), sha256)));
});

test("every byte of the signed statement counts", () => {
  const text = bytes(COSIGN.bundle);
  const start = COSIGN.bundle.indexOf(envelope.payload);
  for (let at = start; at < start + envelope.payload.length; at++) {
    const changed = text.slice();
    changed[at] = changed[at] === 65 ? 66 : 65;
    assert.ok(!by(cosignKey, digestClaim(changed, digest)), `byte ${at}`);
  }
});

test("the artifact refers to the manifest, and is found by its type", () => {
  const subject = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 445 };
  const bundle = signDigest(digest, key, sha256);
  const { manifest, blobs } = bundleReferrer({ subject, bundle, created: 1_900_000_000 }, sha256);
  const [config, layer] = blobs.map(({ descriptor }) => descriptor);
  for (const { descriptor, bytes: blob } of blobs) assert.deepEqual(descriptorOf(descriptor.mediaType, blob, sha256), descriptor);
  assert.deepEqual(JSON.parse(new TextDecoder().decode(manifest)), {
    ...{ schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", artifactType: BUNDLE_MEDIA, config },
    ...{ layers: [layer], subject },
    annotations: {
      "dev.sigstore.bundle.content": "dsse-envelope",
      "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
      "org.opencontainers.image.created": "2030-03-17T17:46:40Z",
    },
  });
});

test("whatever bytes there are, decoding ends with an answer", () => {
  const part = fc.oneof(fc.jsonValue(), fc.constant(envelope), fc.constant(theirs.verificationMaterial));
  const nearly = fc.record({
    mediaType: fc.constant(BUNDLE_MEDIA),
    verificationMaterial: part,
    dsseEnvelope: part,
    messageSignature: part,
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map(bytes),
        nearly.map((value) => bytes(JSON.stringify(value))),
      ),
      (any) => {
        for (const claim of [digestClaim(any, other), fileClaim(any, bytes("hello\n"), sha256)])
          assert.ok(!by(key.publicKey, claim));
      },
    ),
  );
});
