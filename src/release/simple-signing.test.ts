import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { COSIGN } from "../../tests/support/cosign-vectors.ts";
import { newKeyPair } from "../../tests/support/signing.ts";
import { ecdsa } from "../host/ecdsa.ts";
import { sha256 } from "../host/sha256.ts";
import { parsePublicKey } from "../layout/public-key.ts";
import { descriptorOf } from "./oci-artifact.ts";
import { MOST_CLAIMS } from "./signers.ts";
import { readSignatureImage, signatureImage, signatureTag, signSimple, simpleClaim } from "./simple-signing.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const cosignKey = parsePublicKey(COSIGN.publicKey, "cosign.pub");
const key = newKeyPair();
const { digest } = COSIGN;

test("cosign's signature is found and verified", () => {
  const [found, ...more] = readSignatureImage(bytes(COSIGN.signatureImage), "edge");
  assert.ok(found && more.length === 0);
  const payload = bytes(COSIGN.payload);
  assert.deepEqual(found.payload, descriptorOf(found.payload.mediaType, payload, sha256));
  const claim = simpleClaim({ payload, signature: found.signature }, digest);
  assert.ok(claim && ecdsa.verify(cosignKey, claim));
});

test("the payload is cosign's, byte for byte, and so is the image, except for the signature", () => {
  const made = signSimple({ digest, repository: "127.0.0.1:5123/edge", key });
  assert.equal(new TextDecoder().decode(made.payload), COSIGN.payload);
  const image = signatureImage([made], sha256);
  const theirs = JSON.parse(COSIGN.signatureImage);
  const ours = JSON.parse(new TextDecoder().decode(image.manifest));
  for (const { layers } of [theirs, ours]) for (const layer of layers) delete layer.annotations;
  const sizes = (list: { digest: string }[]) => list.map(({ digest: of }) => of);
  assert.deepEqual(sizes(ours.layers), sizes(theirs.layers));
  assert.deepEqual(ours.config.mediaType, theirs.config.mediaType);
  assert.equal(signatureTag(digest), `sha256-${digest.slice(7)}.sig`);
});

test("several signatures share an image, and each is read back", () => {
  const keys = [key, newKeyPair()];
  const made = keys.map((one) => signSimple({ digest, repository: "registry.example/edge", key: one }));
  const { manifest, blobs } = signatureImage(made, sha256);
  for (const { descriptor, bytes: blob } of blobs) assert.deepEqual(descriptorOf(descriptor.mediaType, blob, sha256), descriptor);
  const found = readSignatureImage(manifest, "edge");
  assert.deepEqual(
    found.map(({ signature }) => signature),
    made.map(({ signature }) => signature),
  );
  for (const [i, { signature }] of found.entries()) {
    const claim = simpleClaim({ payload: made[i]!.payload, signature }, digest);
    assert.ok(claim && ecdsa.verify(keys[i]!.publicKey, claim));
  }
});

const other = `sha256:${"0".repeat(64)}`;
const payload = JSON.parse(COSIGN.payload);
for (const [what, text] of [
  ["about another digest", COSIGN.payload.replace(digest, other)],
  ["of another type", JSON.stringify({ ...payload, critical: { ...payload.critical, type: "sbom" } })],
  ["without a digest", JSON.stringify({ ...payload, critical: { ...payload.critical, image: {} } })],
  ["that is no JSON", COSIGN.payload.slice(1)],
  ["that is too large", JSON.stringify({ ...payload, optional: { x: "x".repeat(65_536) } })],
] as const) {
  test(`a payload ${what} claims nothing, however well it is signed`, () => {
    assert.equal(simpleClaim({ payload: bytes(text), signature: key.sign(bytes(text)) }, digest), undefined);
  });
}

test("where an image was when it was signed does not matter: it may be copied", () => {
  const made = signSimple({ digest, repository: "elsewhere.example/x", key });
  assert.ok(simpleClaim(made, digest));
});

test("layers that are no signatures are passed over, and of many only some are looked at", () => {
  const image = JSON.parse(COSIGN.signatureImage);
  const [layer] = image.layers;
  const read = (layers: object[]) => readSignatureImage(bytes(JSON.stringify({ ...image, layers })), "edge");
  const annotation = Object.keys(layer.annotations)[0]!;
  for (const bad of [
    { ...layer, mediaType: "application/octet-stream" },
    { ...layer, annotations: undefined },
    { ...layer, annotations: { [annotation]: "" } },
    { ...layer, annotations: { [annotation]: "not base64" } },
    { ...layer, size: 65_537 },
  ])
    assert.equal(read([bad, layer]).length, 1);
  assert.equal(read(Array.from({ length: 500 }, () => layer)).length, MOST_CLAIMS);
});

for (const text of ["", "[]", '{"schemaVersion":1,"layers":[]}', '{"schemaVersion":2,"layers":[{"digest":"sha256:1"}]}'])
  test(`${JSON.stringify(text)} is no image of signatures`, () => {
    assert.throws(() => readSignatureImage(bytes(text), "edge"), { code: "SIGNATURE_INVALID", message: /^edge: / });
  });

test("whatever bytes there are, decoding ends with an answer", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.json().map(bytes)), fc.uint8Array(), (any, signature) => {
      assert.throws(() => readSignatureImage(any, "edge"), { code: "SIGNATURE_INVALID" });
      assert.equal(simpleClaim({ payload: any, signature }, digest), undefined);
    }),
  );
});
