/** What a repository has of releases: each once, the newest first, with the keys that signed it; everything else is said to be something else. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runForTest } from "../../src/cli/testing.ts";
import { sha256 } from "../../src/host/sha256.ts";
import { formatPublicKey, keyId } from "../../src/layout/public-key.ts";
import { listReleases } from "../../src/registry/list-releases.ts";
import { openStore } from "../../src/registry/open-store.ts";
import { parseReference } from "../../src/registry/reference.ts";
import type { ImageStore } from "../../src/registry/store.ts";
import { formatManifest } from "../../src/release/manifest.ts";
import { referrer } from "../../src/release/oci-artifact.ts";
import { DELTA_KEYS, DELTA_MEDIA, releaseIndex, releaseManifest } from "../../src/release/release-artifact.ts";
import { encodeRelease, type Release } from "../../src/release/release.ts";
import { BUNDLE_MEDIA, signDigest } from "../../src/release/sigstore-bundle.ts";
import { trustedKey, trustedKeys } from "../../src/release/trusted-keys.ts";
import { testRegistry } from "../support/registry.ts";
import { newKeyPair } from "../support/signing.ts";
import { bytesOf, describedAs, MANIFEST, putArtifact, sourceOf, testContext } from "../support/store-contract.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";
const hash = "0123456789abcdef".repeat(4);
const manifestOf = (version: string): string =>
  formatManifest({
    ...{ format: 1, name: "edge", version, architecture: "x86-64", kernel: "6.12.1", created: 1_800_000_000 },
    ...{ rootHash: hash, veritySalt: "00ff", sizes: { image: 9, boot: 3, root: 5, rootVerity: 1 } },
    boot: { vmlinuz: hash, initrd: hash, "image.cfg": hash },
  });

type Key = ReturnType<typeof newKeyPair>;
async function putRelease(
  store: ImageStore,
  tags: readonly string[],
  version: string,
  { key, more = {}, architecture = "x86-64" }: { key?: Key; more?: Partial<Release>; architecture?: string } = {},
): Promise<string> {
  const put = async (bytes: Uint8Array): Promise<{ digest: string; size: number }> => {
    await store.putBlob(describedAs(bytes), sourceOf(bytes));
    return describedAs(bytes);
  };
  const list = await put(new TextEncoder().encode(`not read: ${version}`));
  const segments = [await put(bytesOf(70_000, 1)), await put(bytesOf(30_000, version.length + Number.parseInt(version, 10)))];
  const release = await put(
    encodeRelease(
      { ...{ format: 1, name: "edge", version, created: 1_900_000_000 }, manifest: manifestOf(version), segments: list, ...more },
      sha256,
    ),
  );
  const inner = await store.putManifest(releaseManifest({ release, list, segments }), MANIFEST);
  const bytes = releaseIndex({ container: undefined, release: inner, architecture, annotations: { "test.version": version } });
  const index = await store.putManifest(bytes, INDEX);
  for (const tag of tags) await store.putManifest(bytes, INDEX, { tag });
  const refer = async (subject: typeof index, artifactType: string, content: Uint8Array, annotations: Record<string, string>) => {
    const { manifest, blobs } = referrer({ subject, artifactType, bytes: content, annotations, sha256 });
    for (const blob of blobs) await put(blob.bytes);
    await store.putManifest(manifest, MANIFEST);
  };
  await refer(inner, DELTA_MEDIA, bytesOf(100), {
    [DELTA_KEYS.from]: hash,
    [DELTA_KEYS.version]: "0.9",
    [DELTA_KEYS.size]: "283000",
  });
  if (key) await refer(index, BUNDLE_MEDIA, signDigest(index.digest, key, sha256), {});
  return index.digest;
}

async function filled() {
  const registry = await testRegistry({ pageSize: 2 });
  const context = testContext();
  const name = `http://${registry.host}/team/os`;
  const store = openStore(parseReference(name), context);
  const [own, stranger] = [newKeyPair(), newKeyPair()];
  const keys = trustedKeys(1, [trustedKey(own.publicKey, sha256)]);
  const digests = [
    await putRelease(store, ["1.9.0"], "1.9.0", { key: own, more: { keys } }),
    await putRelease(store, ["1.10.0", "stable"], "1.10.0", {
      key: stranger,
      more: { channel: "stable", expires: 1_930_000_000 },
    }),
    await putRelease(store, ["1.8.0"], "1.8.0"),
  ];
  await putArtifact(store, bytesOf(10), { tag: "container" });
  await putRelease(store, ["arm"], "2.0.0", { architecture: "arm64" });
  return {
    ...{ registry, store, name, own, stranger, digests },
    [Symbol.asyncDispose]: async () => {
      context[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

test("releases are listed the newest first, each once with all its tags, and what is none apart", async () => {
  await using at = await filled();
  const { releases, others, cut } = await listReleases(at.store, { architecture: "x86-64" });
  assert.deepEqual(
    releases.map(({ tags, digest }) => [tags, digest]),
    [
      [["1.10.0", "stable"], at.digests[1]],
      [["1.9.0"], at.digests[0]],
      [["1.8.0"], at.digests[2]],
    ],
  );
  assert.deepEqual(
    others.map(({ tag }) => tag),
    ["arm", "container"],
  );
  assert.match(others[0]!.what, /no release for x86-64, only for arm64/);
  assert.equal(cut, false);
  const [newest] = releases;
  assert.deepEqual(
    { ...newest, digest: "" },
    {
      ...{ tags: ["1.10.0", "stable"], digest: "", name: "edge", version: "1.10.0", channel: "stable" },
      ...{ created: 1_900_000_000, expires: 1_930_000_000, size: 100_000 },
      deltas: [{ fromVersion: "0.9", size: 283_000 }],
      signatures: { found: 1, by: [] },
    },
  );
});

test("a signer is known from the release's own list or from a key that was given, and only by a signature that holds", async () => {
  await using at = await filled();
  const by = async (keys: readonly Uint8Array[]): Promise<unknown> =>
    (await listReleases(at.store, { architecture: "x86-64", keys })).releases.map((one) => one.signatures.by);
  const [own, stranger] = [at.own, at.stranger].map(({ publicKey }) => keyId(publicKey, sha256));
  assert.deepEqual(await by([]), [[], [own], []]);
  assert.deepEqual(await by([at.stranger.publicKey]), [[stranger], [own], []]);
});

test("a registry that fails is not a list without releases", async () => {
  await using registry = await testRegistry({
    fault: ({ method, url }) => (method === "GET" && url.includes("/manifests/sha256:") ? { status: 503 } : undefined),
  });
  using context = testContext({ tries: 1 });
  const store = openStore(parseReference(`http://${registry.host}/team/os`), context);
  await putArtifact(store, bytesOf(10), { tag: "v1" });
  await assert.rejects(listReleases(store, { architecture: "x86-64" }), { code: "REGISTRY_UNREACHABLE" });
});

test("the command prints a table, other tags when it is asked, and everything in JSON", async () => {
  await using at = await filled();
  const folder = await mkdtemp(join(tmpdir(), "petrify-releases-"));
  try {
    await writeFile(join(folder, "key.pub"), formatPublicKey(at.stranger.publicKey));
    const ran = await runForTest(["releases", at.name], { cwd: folder });
    assert.equal(ran.exitCode, 0, ran.err);
    const own = keyId(at.own.publicKey, sha256).slice(0, 12);
    assert.equal(
      ran.out,
      [
        `tags            version  created     channel  expires     size      deltas from      signed by`,
        `1.10.0, stable  1.10.0   2030-03-17  stable   2031-02-27  97.7 KiB  0.9 (276.4 KiB)  keys that are not known`,
        `1.9.0           1.9.0    2030-03-17  -        -           97.7 KiB  0.9 (276.4 KiB)  ${own}`,
        `1.8.0           1.8.0    2030-03-17  -        -           97.7 KiB  0.9 (276.4 KiB)  nobody`,
        "2 more tags of something else (--all lists them)\n",
      ].join("\n"),
    );
    const all = await runForTest(["releases", at.name, "--all", "--key", "key.pub"], { cwd: folder });
    assert.match(all.out, /\ncontainer  .*is an image, but not a release/);
    assert.ok(all.out.includes(keyId(at.stranger.publicKey, sha256).slice(0, 12)));
    const json = await runForTest(["releases", at.name, "--json"], { cwd: folder });
    const { value } = JSON.parse(json.out.trim().split("\n").at(-1)!) as {
      value: { releases: { version: string }[]; others: number };
    };
    assert.deepEqual([value.releases.map(({ version }) => version), value.others], [["1.10.0", "1.9.0", "1.8.0"], 2]);
    const none = await runForTest(["releases", `oci:${folder}/nothing`], { cwd: folder });
    assert.equal(none.out, `There are no releases in oci:${folder}/nothing.\n`);
    const wrong = await runForTest(["releases", `${at.name}:v1`], { cwd: folder });
    assert.match(wrong.err, /names one image/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
