import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import {
  DELTA_MEDIA,
  onlyLayer,
  parseReleaseIndex,
  parseReleaseManifest,
  RELEASE_MEDIA,
  releaseIndex,
  releaseManifest,
  SEGMENT_LIST_MEDIA,
} from "./release-artifact.ts";

type Changeable = Record<string, unknown> & { manifests: Record<string, unknown>[]; layers: Record<string, unknown>[] };

const blob = (letter: string, size: number) => ({ digest: `sha256:${letter.repeat(64)}`, size });
const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const index = releaseIndex({ container: blob("c", 7), release: blob("a", 5), architecture: "x86-64", annotations: {} });
const manifest = releaseManifest({ release: blob("d", 9), list: blob("e", 3), segments: [blob("f", 1), blob("0", 2)] });

/** A document as somebody else would have written it. */
function changed(bytes: Uint8Array, change: (value: Changeable) => void): Uint8Array {
  const value = JSON.parse(new TextDecoder().decode(bytes)) as Changeable;
  change(value);
  return bytesOf(value);
}

test("an index names the release of an architecture, and the container image", () => {
  const { release, container } = parseReleaseIndex(index, "x86-64", "it");
  assert.deepEqual([release.digest, release.size], [blob("a", 5).digest, 5]);
  assert.deepEqual([container?.digest, container?.size], [blob("c", 7).digest, 7]);
});

test("a manifest names the release, the list and the segments in their order", () => {
  const found = parseReleaseManifest(manifest, "it");
  assert.deepEqual([found.release.mediaType, found.release.size], [RELEASE_MEDIA, 9]);
  assert.deepEqual([found.list.mediaType, found.list.size], [SEGMENT_LIST_MEDIA, 3]);
  assert.deepEqual(
    found.segments.map(({ size }) => size),
    [1, 2],
  );
});

test("what tools look for by platform is the container image, and never the release", () => {
  const { manifests } = JSON.parse(new TextDecoder().decode(index)) as Changeable;
  assert.deepEqual(
    manifests.map(({ platform }) => platform),
    [
      { architecture: "amd64", os: "linux" },
      { architecture: "unknown", os: "unknown" },
    ],
  );
});

for (const [what, bytes, code] of [
  ["an index of a container image only", changed(index, ({ manifests }) => void manifests.pop()), "RELEASE_NOT_FOUND"],
  [
    "an index with the release of another architecture",
    changed(index, ({ manifests }) => void (manifests[1]!["annotations"] = { "petrify.architecture": "riscv6" })),
    "RELEASE_NO_ARCHITECTURE",
  ],
  ["an index with two releases", changed(index, ({ manifests }) => void manifests.push(manifests[1]!)), "RELEASE_INVALID"],
  [
    "a digest of another kind",
    changed(index, ({ manifests }) => void (manifests[1]!["digest"] = "sha512:00")),
    "RELEASE_INVALID",
  ],
  ["a size below zero", changed(index, ({ manifests }) => void (manifests[1]!["size"] = -1)), "RELEASE_INVALID"],
  ["a later schema", changed(index, (value) => void (value["schemaVersion"] = 3)), "RELEASE_INVALID"],
  ["no JSON", new TextEncoder().encode("{"), "RELEASE_INVALID"],
  ["no UTF-8", Uint8Array.of(0xff), "RELEASE_INVALID"],
] as const) {
  test(`${what} is refused: ${code}`, () => {
    assert.throws(() => parseReleaseIndex(bytes, "x86-64", "it"), { code });
  });
}

for (const [what, bytes] of [
  ["of another artifact", changed(manifest, (value) => void (value["artifactType"] = DELTA_MEDIA))],
  ["without a list", changed(manifest, ({ layers }) => void layers.shift())],
  ["without layers", changed(manifest, (value) => void (value.layers = []))],
  ["whose config is no release", changed(manifest, (value) => void (value["config"] = value.layers[0]))],
] as const) {
  test(`a manifest ${what} is refused`, () => {
    assert.throws(() => parseReleaseManifest(bytes, "it"), { code: "RELEASE_INVALID" });
  });
}

test("the one layer of an artifact is found where it is of that type, and alone", () => {
  const delta = { mediaType: DELTA_MEDIA, ...blob("b", 4) };
  const artifact = (layers: readonly object[]): Uint8Array => bytesOf({ schemaVersion: 2, config: delta, layers });
  assert.equal(onlyLayer(artifact([delta]), DELTA_MEDIA)?.size, 4);
  for (const bytes of [artifact([delta, delta]), artifact([]), bytesOf("x"), Uint8Array.of(0xff)])
    assert.equal(onlyLayer(bytes, DELTA_MEDIA), undefined);
  assert.equal(onlyLayer(artifact([delta]), RELEASE_MEDIA), undefined);
});

test("whatever documents there are, reading them ends with an answer or a refusal", () => {
  const CODES = new Set(["RELEASE_INVALID", "RELEASE_NOT_FOUND", "RELEASE_NO_ARCHITECTURE"]);
  const entry = fc.record(
    {
      mediaType: fc.oneof(fc.constantFrom(SEGMENT_LIST_MEDIA, RELEASE_MEDIA), fc.anything()),
      digest: fc.oneof(fc.constant(blob("a", 1).digest), fc.anything()),
      size: fc.oneof(fc.nat(), fc.anything()),
      artifactType: fc.oneof(fc.constant(RELEASE_MEDIA), fc.anything()),
      annotations: fc.oneof(fc.constantFrom({ "petrify.architecture": "x86-64" }, { "petrify.architecture": "y" }), fc.object()),
    },
    { requiredKeys: ["mediaType", "digest", "size"] },
  );
  const document = fc.record(
    {
      schemaVersion: fc.constantFrom(2, 3),
      artifactType: fc.constantFrom(RELEASE_MEDIA, "x"),
      ...{ manifests: fc.array(entry, { maxLength: 3 }), config: entry, layers: fc.array(entry, { maxLength: 3 }) },
    },
    { requiredKeys: ["schemaVersion"] },
  );
  let answers = 0;
  fc.assert(
    fc.property(fc.oneof({ weight: 4, arbitrary: document.map(bytesOf) }, fc.json().map(bytesOf), fc.uint8Array()), (bytes) => {
      for (const read of [
        () => parseReleaseIndex(bytes, "x86-64", "it"),
        () => parseReleaseManifest(bytes, "it"),
        () => onlyLayer(bytes, SEGMENT_LIST_MEDIA),
      ]) {
        try {
          if (read()) answers++;
        } catch (error) {
          assert.ok(error instanceof AppError && CODES.has(error.code), String(error));
        }
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(answers > 0, "some of them are read");
});
