/** What strangers send, damaged: each parser reads it, or refuses it with an error that it has for that. */
import assert from "node:assert/strict";
import { AppError } from "../../src/core/error.ts";
import { MiB } from "../../src/core/units.ts";
import { sha256 } from "../../src/host/sha256.ts";
import { OCI_MEDIA } from "../../src/layout/oci-image.ts";
import { parseChallenges } from "../../src/registry/challenge.ts";
import { parseIndex, parseManifestHead, parseTags } from "../../src/registry/documents.ts";
import { parseReference } from "../../src/registry/reference.ts";
import { commandReader, commandWriter } from "../../src/release/delta/commands.ts";
import { decodeDeltaHeader, deltaHeaderSize, encodeDeltaHeader } from "../../src/release/delta/delta-header.ts";
import { movesOf } from "../../src/release/delta/moves.ts";
import {
  onlyLayer,
  parseReleaseIndex,
  parseReleaseManifest,
  RELEASE_MEDIA,
  releaseIndex,
  releaseManifest,
} from "../../src/release/release-artifact.ts";
import { encodeSegments, parseSegments } from "../../src/release/segments.ts";

interface FuzzedParser {
  readonly name: string;
  /** Inputs that it reads. */
  readonly sound: readonly Uint8Array[];
  /** Of its refusals. */
  readonly codes: RegExp;
  readonly read: (bytes: Uint8Array) => void;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const blob = (letter: string, size: number) => ({ digest: `sha256:${letter.repeat(64)}`, size });
const release = { ...blob("d", 900), mediaType: OCI_MEDIA.manifest };

const list = encodeSegments({
  ...{ format: 1, imageSize: 10 * MiB, segmentSize: 4 * MiB, omitted: { start: 8 * MiB, length: MiB } },
  segments: [
    { sha256: "1".repeat(64), packed: blob("a", 900) },
    { sha256: "2".repeat(64) },
    { sha256: "3".repeat(64), packed: blob("b", MiB) },
  ],
});
const index = releaseIndex({ container: blob("c", 7), release, architecture: "x86-64", annotations: { a: "b" } });
const manifest = releaseManifest({ release: blob("d", 9), list: blob("e", 3), segments: [blob("f", 1), blob("0", 2)] });

const commands = (() => {
  const writer = commandWriter();
  writer.write(0, { kind: "copy", length: 4096, from: 8192 });
  writer.write(4096, { kind: "change", length: 100, from: 300 });
  writer.write(4196, { kind: "add", length: 3996 });
  return writer.bytes();
})();
const stream = { packing: "zstd", packed: 50, size: 100 } as const;
const head = encodeDeltaHeader(
  {
    ...{ oldDigest: new Uint8Array(32), newDigest: new Uint8Array(32), oldSize: 20_480, newSize: 12_288, segmentSize: 4096 },
    ...{ omitted: { start: 4096, size: 4096 }, segments: [new Uint8Array(32), new Uint8Array(32)] },
    frames: [{ segments: 2, streams: [stream, { packing: "model", packed: 9, size: 10 }, stream] }],
  },
  sha256,
);

export const PARSERS: readonly FuzzedParser[] = [
  { name: "list of segments", sound: [list], codes: /^RELEASE_INVALID$/, read: (bytes) => void parseSegments(bytes, "it") },
  {
    ...{ name: "release's index", sound: [index, manifest], codes: /^RELEASE_(?:INVALID|NOT_FOUND|NO_ARCHITECTURE)$/ },
    read: (bytes) => void parseReleaseIndex(bytes, "x86-64", "it"),
  },
  {
    ...{ name: "release's manifest", sound: [manifest, index], codes: /^RELEASE_INVALID$/ },
    read: (bytes) => {
      onlyLayer(bytes, RELEASE_MEDIA);
      parseReleaseManifest(bytes, "it");
    },
  },
  {
    ...{ name: "head of a delta", sound: [head], codes: /^DELTA_(?:INVALID|NEWER)$/ },
    read: (bytes) => {
      // With a digest that is right: whoever makes one up can do that.
      const whole = Uint8Array.from(bytes);
      if (whole.length > 32) whole.set(sha256.digest(whole.subarray(0, -32)), whole.length - 32);
      deltaHeaderSize(whole);
      decodeDeltaHeader(whole, whole.length + 109, sha256);
    },
  },
  {
    ...{ name: "commands of a delta", sound: [commands], codes: /^DELTA_INVALID$/ },
    read: (bytes) => {
      movesOf(bytes, 0);
      const reader = commandReader(bytes);
      for (let at = 0; !reader.isAtEnd();) at += reader.next(at).length;
    },
  },
  { name: "index of OCI", sound: [index], codes: /^REGISTRY_INVALID$/, read: (bytes) => void parseIndex(bytes, "it") },
  {
    name: "manifest of OCI",
    sound: [manifest],
    codes: /^REGISTRY_INVALID$/,
    read: (bytes) => void parseManifestHead(bytes, "it"),
  },
  {
    ...{ name: "tags of OCI", sound: [bytesOf('{"name":"os","tags":["v1","v2"]}')], codes: /^REGISTRY_INVALID$/ },
    read: (bytes) => void parseTags(bytes, "it"),
  },
  {
    ...{ name: "challenge", codes: /^$/, read: (bytes) => void parseChallenges(textOf(bytes)) },
    sound: [bytesOf('Bearer realm="https://r.example/token",service="r",scope="a,b"'), bytesOf('Basic realm="x", Digest a=b')],
  },
  {
    ...{ name: "reference", codes: /^REFERENCE_INVALID$/, read: (bytes) => void parseReference(textOf(bytes)) },
    sound: [
      bytesOf("registry.example:5000/team/os:1.4.0"),
      bytesOf(`oci:some/folder@sha256:${"a".repeat(64)}`),
      bytesOf("http://[::1]:5000/os"),
    ],
  },
];

const WORDS = [
  "{}",
  "[]",
  "null",
  '"',
  ",",
  "-1",
  "9007199254740993",
  "sha256:",
  "\0",
  "é",
  "\\u0000",
  "://",
  "@",
  ":",
  "=",
  "../",
].map(bytesOf);

/**
 * The same seed gives the same cases. What fails is thrown, with its input.
 *
 * @returns how many were read, and how many refused
 */
export function fuzzParser(
  { name, sound, codes, read }: FuzzedParser,
  cases: number,
  seed: number,
): { readonly read: number; readonly refused: number } {
  const below = randomOf(seed);
  let refused = 0;
  for (let number = 0; number < cases; number++) {
    let bytes: Uint8Array = sound[below(sound.length)]!;
    for (let changes = below(5); changes >= 0; changes--) bytes = changed(bytes, below);
    try {
      read(bytes);
    } catch (error) {
      refused++;
      const isOwn = error instanceof AppError && codes.test(error.code);
      assert.ok(isOwn, `${name}, case ${number} of seed ${seed}: ${String(error)}: ${Buffer.from(bytes).toString("hex")}`);
    }
  }
  return { read: cases - refused, refused };
}

function changed(bytes: Uint8Array, below: (limit: number) => number): Uint8Array {
  const at = below(bytes.length + 1);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  const rest = after.subarray(below(after.length + 1));
  switch (below(6)) {
    case 0:
      return Buffer.concat([before, Uint8Array.of(below(256)), after.subarray(1)]);
    case 1:
      return Buffer.concat([before, Uint8Array.of((after[0] ?? 0) ^ (1 << below(8))), after.subarray(1)]);
    case 2:
      return Buffer.concat([before, WORDS[below(WORDS.length)]!, after]);
    case 3:
      return Buffer.concat([before, rest]);
    case 4:
      return Buffer.concat([before, after.subarray(0, below(40)), after]);
    default:
      return Buffer.concat([before, Uint8Array.of(below(4) === 0 ? 255 : 48 + below(10)), after]);
  }
}

/** Numbers that are the same for the same seed: mulberry32. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
