import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newKeyPair } from "../../tests/support/signing.ts";
import { sha256 } from "../host/sha256.ts";
import { canonicalJson } from "./canonical-json.ts";
import { formatManifest, type Manifest } from "./manifest.ts";
import { decodeRelease, encodeRelease, type Release } from "./release.ts";
import { trustedKey, trustedKeys } from "./trusted-keys.ts";

const digest = "0123456789abcdef".repeat(4);
const manifest: Manifest = {
  ...{ format: 1, name: "edge", version: "1.5.0", architecture: "x86-64", kernel: "6.12.1", created: 1_800_000_000 },
  ...{ rootHash: digest, veritySalt: "00ff", sizes: { image: 9, boot: 3, root: 5, rootVerity: 1 } },
  boot: { vmlinuz: digest, initrd: digest, "image.cfg": digest },
};
const release: Release = {
  ...{ format: 1, name: "edge", version: "1.5.0", channel: "stable", created: 1_900_000_000, expires: 1_930_000_000 },
  manifest: formatManifest(manifest),
  segments: { digest: `sha256:${digest}`, size: 1234 },
  keys: trustedKeys(2, [trustedKey(newKeyPair().publicKey, sha256)]),
};
const decode = (bytes: Uint8Array) => decodeRelease(bytes, "release.json", sha256);
const bytesOf = (value: object): Uint8Array => new TextEncoder().encode(canonicalJson(value as never));

test("a release is read back as it was written, with the manifest of its image", () => {
  assert.deepEqual(decode(encodeRelease(release, sha256)), { release, manifest });
  const { channel: _, expires: __, segments: ___, keys: ____, ...least } = release;
  assert.deepEqual(decode(encodeRelease(least, sha256)).release, least);
});

test("its bytes are these", () => {
  const { keys: _, ...plain } = release;
  assert.equal(
    new TextDecoder().decode(encodeRelease({ ...plain, manifest: JSON.stringify(manifest) }, sha256)),
    `{"channel":"stable","created":1900000000,"expires":1930000000,"format":1,"manifest":${JSON.stringify(JSON.stringify(manifest))},"name":"edge","segments":{"digest":"sha256:${digest}","size":1234},"version":"1.5.0"}`,
  );
});

test("keys that this format does not know are passed over", () => {
  assert.deepEqual(decode(bytesOf({ ...release, mood: { good: [1] } })).release, release);
});

for (const [what, value, message] of [
  ["a later format", { ...release, format: 2 }, /format/],
  ["a name that is not the manifest's", { ...release, name: "kiosk" }, /name is "kiosk", and "edge" in the manifest/],
  ["a version that is not the manifest's", { ...release, version: "9.0.0" }, /version is "9\.0\.0"/],
  ["a manifest that is none", { ...release, manifest: "{}" }, /manifest/],
  ["a time before 1970", { ...release, created: -1 }, /created/],
  ["an end before the beginning", { ...release, expires: release.created }, /expires before/],
  ["a channel with a space", { ...release, channel: "my stable" }, /channel/],
  ["segments without a digest", { ...release, segments: { digest: "sha256:00", size: 1 } }, /segments\.digest/],
  [
    "keys whose ids are wrong",
    { ...release, keys: { ...release.keys, keys: [{ ...release.keys!.keys[0], id: digest }] } },
    /id is not/,
  ],
  ["a document that is too large", { ...release, more: "x".repeat(262_144) }, /more than/],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => decode(bytesOf(value)), { code: "RELEASE_INVALID", message });
  });
}

test("another form of the same document is refused", () => {
  const text = new TextDecoder().decode(encodeRelease(release, sha256));
  for (const other of [`${text}\n`, text.replace(":", ": "), JSON.stringify({ version: "1.5.0", ...JSON.parse(text) })])
    assert.throws(() => decode(new TextEncoder().encode(other)), { code: "RELEASE_INVALID", message: /canonical/ });
});

test("what cannot be read back cannot be written", () => {
  assert.throws(() => encodeRelease({ ...release, version: "9.0.0" }, sha256), { code: "RELEASE_INVALID" });
});

test("every byte that is changed gives an error of its own kind, or another whole release", () => {
  const bytes = encodeRelease(release, sha256);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = bytes.slice();
      changed[at]! ^= change;
      try {
        decode(changed);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "RELEASE_INVALID");
      }
    }),
  );
});

test("whatever bytes there are, decoding ends with an answer", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((json) => new TextEncoder().encode(json)),
      ),
      (bytes) => {
        assert.throws(() => decode(bytes), { code: "RELEASE_INVALID" });
      },
    ),
  );
});
