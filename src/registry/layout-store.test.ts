import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { StoreError } from "./errors.ts";
import { layoutStore } from "./layout-store.ts";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const REF = "org.opencontainers.image.ref.name";
const digestOf = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;
const TEXT = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config: { mediaType: "x" }, layers: [] });
const ENTRY = { mediaType: MANIFEST, digest: digestOf(TEXT), size: TEXT.length };
const indexOf = (...manifests: readonly object[]): string => JSON.stringify({ schemaVersion: 2, manifests });
const blobName = (digest: string): string => `blobs/${digest.replace(":", "/")}`;
const ALL = { "oci-layout": '{"imageLayoutVersion":"1.0.0"}', [blobName(ENTRY.digest)]: TEXT };

async function folderWith(files: Readonly<Record<string, string>>): Promise<{ readonly folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "petrify-layout-"));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return { folder, [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true }) };
}

test("a manifest is found by its tag, also where a name stands before it", async () => {
  const index = indexOf(
    { ...ENTRY, annotations: { [REF]: "registry.example/os:v1" } },
    { ...ENTRY, annotations: { [REF]: "v2" } },
  );
  await using at = await folderWith({ ...ALL, "index.json": index });
  const store = layoutStore(at.folder);
  for (const tag of ["v1", "v2", ENTRY.digest]) assert.deepEqual((await store.getManifest(tag)).descriptor, ENTRY);
  assert.equal(await store.headManifest("1"), undefined);
  assert.deepEqual(await Array.fromAsync(store.tags()), ["v1", "v2"]);
});

const OTHER = TEXT.replace("layers", "lagers");
for (const [name, files, why] of [
  ["an index that is no JSON", { "index.json": "{" }, /index.json is not JSON|index.json: is not JSON/],
  ["an index of another kind", { "index.json": "[]" }, /index.json/],
  [
    "a digest that leads elsewhere",
    { "index.json": indexOf({ ...ENTRY, digest: "sha256:../../x", annotations: { [REF]: "v1" } }) },
    /sha256 digest/,
  ],
  [
    "a manifest that is not there",
    { "index.json": indexOf({ ...ENTRY, digest: digestOf("x"), annotations: { [REF]: "v1" } }) },
    /lacks manifest/,
  ],
  ["another manifest", { [blobName(ENTRY.digest)]: OTHER }, /other bytes/],
  ["a manifest of another size", { [blobName(ENTRY.digest)]: `${TEXT} ` }, /bytes and not/],
  [
    "a manifest of another type",
    { "index.json": indexOf({ ...ENTRY, mediaType: "text/plain", annotations: { [REF]: "v1" } }) },
    /is listed as text\/plain/,
  ],
  [
    "one tag for two",
    {
      "index.json": indexOf(
        { ...ENTRY, annotations: { [REF]: "v1" } },
        { ...ENTRY, digest: digestOf("x"), annotations: { [REF]: "a:v1" } },
      ),
    },
    /several manifests/,
  ],
] as const) {
  test(`a folder with ${name} is not believed`, async () => {
    await using at = await folderWith({ ...ALL, "index.json": indexOf({ ...ENTRY, annotations: { [REF]: "v1" } }), ...files });
    await assert.rejects(layoutStore(at.folder).getManifest("v1"), (error: Error) => {
      assert.ok(error instanceof StoreError && error.code === "REGISTRY_INVALID" && why.test(error.message), String(error));
      return true;
    });
  });
}

test("what is no file is not read: a folder, or a device behind a link", async () => {
  await using at = await folderWith({ "oci-layout": "{}" });
  await symlink("/dev/zero", join(at.folder, "index.json"));
  const store = layoutStore(at.folder);
  await assert.rejects(store.getManifest("v1"), { code: "REGISTRY_INVALID", message: /index.json is not a file/ });
  await mkdir(join(at.folder, blobName(ENTRY.digest)), { recursive: true });
  await assert.rejects(Array.fromAsync(store.getBlob(ENTRY)), { code: "REGISTRY_NOT_FOUND" });
});

test("what others have in an index stays, and so do tags that were not moved", async () => {
  const foreign = { ...ENTRY, platform: { os: "plan9", architecture: "mips" }, annotations: { [REF]: "v1", "their.note": "n" } };
  const index = JSON.stringify({ schemaVersion: 2, manifests: [foreign], annotations: { "their.index": "i" } });
  await using at = await folderWith({ ...ALL, "index.json": index });
  await layoutStore(at.folder).putManifest(Buffer.from(OTHER), MANIFEST, { tag: "v2" });
  const after = JSON.parse(await readFile(join(at.folder, "index.json"), "utf8")) as { manifests: object[]; annotations: object };
  assert.deepEqual(after.annotations, { "their.index": "i" });
  assert.deepEqual(after.manifests, [foreign, { ...ENTRY, digest: digestOf(OTHER), annotations: { [REF]: "v2" } }]);
});

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("ab");
  throw new Error("the source broke");
}

test("nothing is left of what failed, and nothing but the layout of what did not", async () => {
  await using at = await folderWith({});
  const store = layoutStore(join(at.folder, "new"));
  await assert.rejects(store.putBlob({ digest: digestOf("abc"), size: 3 }, broken), /the source broke/);
  await store.putManifest(Buffer.from(TEXT), MANIFEST, { tag: "v1" });
  const names = await readdir(join(at.folder, "new"), { recursive: true });
  assert.deepEqual(names.toSorted(), ["blobs", "blobs/sha256", blobName(ENTRY.digest), "index.json", "oci-layout"]);
});

test("whatever an index holds, it is read, or refused with an error of the store's", async () => {
  const entry = fc.record(
    {
      mediaType: fc.constantFrom<unknown>(MANIFEST, "x", 7),
      digest: fc.constantFrom<unknown>(ENTRY.digest, digestOf("x"), "sha256:..", null),
      size: fc.constantFrom<unknown>(ENTRY.size, -1, 1.5, "1"),
      annotations: fc.constantFrom<unknown>({ [REF]: "v1" }, { [REF]: 1 }, null),
    },
    { requiredKeys: [] },
  );
  const index = fc.oneof(
    fc.json(),
    fc.array(entry, { maxLength: 3 }).map((entries) => indexOf(...entries)),
  );
  await using at = await folderWith(ALL);
  const store = layoutStore(at.folder);
  await fc.assert(
    fc.asyncProperty(index, async (text) => {
      await writeFile(join(at.folder, "index.json"), text);
      for (const call of [
        async () => await store.getManifest("v1"),
        async () => await store.referrers(ENTRY.digest),
        async () => await Array.fromAsync(store.tags()),
      ]) {
        await call().catch((error: unknown) => assert.ok(error instanceof StoreError, String(error)));
      }
    }),
  );
});
