/** Releases that are pushed, registries that fail when somebody says so, and places of a disk in memory. */
import assert from "node:assert/strict";
import type { Http } from "../../src/host/http-client.ts";
import { sha256 } from "../../src/host/sha256.ts";
import { zstdQuickPack } from "../../src/host/zstd.ts";
import { openStore } from "../../src/registry/open-store.ts";
import { pushReferrers, pushRelease, type PushedRelease, type PushInput } from "../../src/registry/push-release.ts";
import { parseReference } from "../../src/registry/reference.ts";
import type { ImageStore } from "../../src/registry/store.ts";
import { referrer } from "../../src/release/oci-artifact.ts";
import { DELTA_KEYS, DELTA_MEDIA } from "../../src/release/release-artifact.ts";
import { bundleReferrer, signDigest } from "../../src/release/sigstore-bundle.ts";
import type { ReleaseImage } from "./release-images.ts";
import { digestOf, testRegistry, type RegistryOptions } from "./registry.ts";
import type { newKeyPair } from "./signing.ts";
import { testContext } from "./store-contract.ts";

/** When releases are looked at: seconds since 1970. */
export const NOW = 1_900_000_000;
type Key = ReturnType<typeof newKeyPair>;

export interface Pushed {
  readonly tag?: string;
  readonly facts?: Partial<PushInput["facts"]>;
  readonly signedBy?: readonly Key[];
  readonly pack?: (bytes: Uint8Array) => Uint8Array;
  /** And the image that it is said to be from. */
  readonly delta?: { readonly bytes: Uint8Array; readonly from: string };
}
/** The same images are pushed over and over. */
const known = new Map<string, Uint8Array>();
function packed(bytes: Uint8Array): Uint8Array {
  const digest = digestOf(bytes);
  const found = known.get(digest) ?? zstdQuickPack(bytes);
  known.set(digest, found);
  return found;
}

/** A release of an image, made a little before {@link NOW}. */
export async function push(
  store: ImageStore,
  image: ReleaseImage,
  { tag = "v1", facts, signedBy = [], pack = (bytes) => bytes, delta: one }: Pushed = {},
) {
  const release = await pushRelease({
    ...{ store, tag, image, found: image.found, facts: { created: NOW - 100, ...facts } },
    pack: async (bytes) => await Promise.resolve(packed(pack(bytes))),
  });
  const bundles = signedBy.map((by) =>
    bundleReferrer({ subject: release.index, bundle: signDigest(release.index.digest, by, sha256), created: NOW }, sha256),
  );
  await pushReferrers(store, release.index, bundles, undefined);
  if (one) await pushDelta(store, release, one.bytes, one.from);
  await release.publish();
  return release;
}
async function pushDelta(store: ImageStore, { manifest }: PushedRelease, bytes: Uint8Array, from: string): Promise<void> {
  const annotations = { [DELTA_KEYS.from]: from, [DELTA_KEYS.version]: "1.0.0", [DELTA_KEYS.size]: String(bytes.length) };
  await pushReferrers(
    store,
    manifest,
    [referrer({ subject: manifest, artifactType: DELTA_MEDIA, bytes, annotations, sha256 })],
    undefined,
  );
}

/** Faults begin when somebody says so. @param tries of a request to `reader`, each of which waits so long while there are faults */
export async function faultyRegistry({ tries, stallMs }: { readonly tries?: number; readonly stallMs?: number } = {}) {
  let fault: RegistryOptions["fault"];
  const registry = await testRegistry({ fault: (asked) => fault?.(asked) });
  const context = testContext();
  const patient = testContext(tries === undefined ? {} : { tries });
  const impatient = testContext({}, stallMs);
  const http: Http = async (request) => await (fault ? impatient : patient).http(request);
  const reference = parseReference(`http://${registry.host}/team/os:v1`);
  return {
    ...{ registry, reference, store: openStore(reference, context), reader: openStore(reference, { ...patient, http }) },
    fail: (how: typeof fault): void => void (fault = how),
    [Symbol.asyncDispose]: async () => {
      context[Symbol.dispose]();
      patient[Symbol.dispose]();
      impatient[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** A place on the disk. */
export class Place {
  readonly bytes: Buffer;
  flushed = 0;
  /** Where writing fails. */
  broken = Infinity;
  constructor(size: number, fill = 0x55) {
    this.bytes = Buffer.alloc(size, fill);
  }
  readonly writer = {
    write: async (offset: number, bytes: Uint8Array): Promise<void> => {
      assert.ok(offset % 4096 === 0 && bytes.length <= 2 ** 20, "as direct I/O wants it");
      await Promise.resolve();
      if (offset + bytes.length > this.broken) throw Object.assign(new Error("EIO: i/o error, write"), { code: "EIO" });
      this.bytes.set(bytes, offset);
    },
    flush: async (): Promise<void> => await Promise.resolve(void this.flushed++),
  };
  get place() {
    return { size: this.bytes.length, read: readerOf(this.bytes).read };
  }
}
export const readerOf = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: async (at: number, length: number): Promise<Uint8Array> => {
    assert.ok(length <= 2 ** 20);
    return await Promise.resolve(Buffer.from(bytes.subarray(at, at + length)));
  },
});
