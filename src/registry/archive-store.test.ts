import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { bytesOf, collected, describedAs, putArtifact, sourceOf } from "../../tests/support/store-contract.ts";
import { encodeTarHeader, TAR_END, tarPadding, type TarEntry } from "../layout/tar-entry.ts";
import { archiveStore } from "./archive-store.ts";
import { StoreError } from "./errors.ts";
import { layoutStore } from "./layout-store.ts";

let folder: string;
before(async () => void (folder = await mkdtemp(join(tmpdir(), "petrify-archive-"))));
after(async () => await rm(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

test("an archive is whole after each tag, keeps what it had, and nothing is left beside it", async () => {
  const file = at("os.tar");
  const one = await putArtifact(archiveStore(file), bytesOf(100_000, 1), { tag: "v1" });
  const two = await putArtifact(archiveStore(file), bytesOf(200_000, 2), { tag: "v2" });
  await putArtifact(archiveStore(file), bytesOf(10, 3), { tag: "v1" });
  assert.deepEqual((await readdir(folder)).toSorted(), ["os.tar"]);
  const store = archiveStore(file);
  assert.deepEqual((await Array.fromAsync(store.tags())).toSorted(), ["v1", "v2"]);
  assert.equal((await store.getManifest("v2")).descriptor.digest, two.digest);
  assert.equal((await store.getManifest(one.digest)).descriptor.digest, one.digest);
  assert.ok((await collected(store.getBlob(describedAs(bytesOf(200_000, 2))))).equals(bytesOf(200_000, 2)));
  execFileSync("tar", ["-xf", file, "-C", folder, "--one-top-level=unpacked"]);
  const unpacked = layoutStore(at("unpacked"));
  assert.equal((await unpacked.getManifest("v2")).descriptor.digest, two.digest);
  await rm(at("unpacked"), { recursive: true });
});

test("the same content is the same archive, byte by byte", async () => {
  for (const name of ["a.tar", "b.tar"]) await putArtifact(archiveStore(at(name)), bytesOf(1000, 1), { tag: "v1" });
  assert.ok((await readFile(at("a.tar"))).equals(await readFile(at("b.tar"))));
});

test("until there is a tag the archive is as it was, and what was left by somebody who was stopped is not taken over", async () => {
  const file = at("stopped.tar");
  await putArtifact(archiveStore(file), bytesOf(1000, 1), { tag: "v1" });
  const was = await readFile(file);
  const other = bytesOf(1000, 2);
  await writeFile(at("left"), "");
  const stopped = archiveStore(at("never.tar"));
  await stopped.putBlob(describedAs(other), sourceOf(other));
  assert.equal(await stopped.hasBlob(describedAs(other)), true);
  await assert.rejects(stat(at("never.tar")), { code: "ENOENT" });
  execFileSync("mkdir", ["-p", at("stopped.tar.new/blobs/sha256")]);
  await writeFile(at(`stopped.tar.new/blobs/sha256/${"0".repeat(64)}`), "x".repeat(5));
  assert.ok((await readFile(file)).equals(was));
  const store = archiveStore(file);
  assert.equal(await store.hasBlob({ digest: `sha256:${"0".repeat(64)}`, size: 5 }), false);
  await putArtifact(store, bytesOf(1000, 1), { tag: "v2" });
  assert.equal(await archiveStore(file).hasBlob({ digest: `sha256:${"0".repeat(64)}`, size: 5 }), false);
});

test("two that write at once both have their tags in it", async () => {
  const file = at("both.tar");
  await Promise.all(
    ["a", "b", "c"].map(async (tag, seed) => await putArtifact(archiveStore(file), bytesOf(5000, seed), { tag })),
  );
  assert.deepEqual((await Array.fromAsync(archiveStore(file).tags())).toSorted(), ["a", "b", "c"]);
});

const entry = (name: string, content = "", more: Partial<TarEntry> = {}): Uint8Array[] => {
  const bytes = Buffer.from(content);
  const plain = { target: "", mode: 0o644, uid: 0, gid: 0, mtime: 0, device: [0, 0], attributes: [] } as const;
  return [encodeTarHeader({ ...plain, type: "file", name, size: bytes.length, ...more }), bytes, tarPadding(bytes.length)];
};
const tar = (...parts: readonly Uint8Array[][]): Buffer => Buffer.concat([...parts.flat(), TAR_END]);
const INDEX = '{"schemaVersion":2,"manifests":[]}';

for (const [name, bytes, why] of [
  ["a name twice", tar(entry("index.json", INDEX), entry("./index.json", INDEX)), /is there twice/],
  ["a link", tar(entry("index.json", "", { type: "symlink", target: "/etc/passwd" })), /neither a file nor a folder/],
  ["a hard link", tar(entry("index.json", "", { type: "hardLink", target: "x" })), /neither a file nor a folder/],
  ["a device", tar(entry("index.json", "", { type: "character" })), /neither a file nor a folder/],
  ["a way out", tar(entry("../index.json", INDEX)), /leads upwards/],
  ["an absolute name", tar(entry("/index.json", INDEX)), /is absolute/],
  ["a content that is cut", tar(entry("index.json", INDEX)).subarray(0, 520), /in the middle of this entry/],
  ["a large content that is cut", tar(entry("blobs/sha256/x", "x".repeat(300_000))).subarray(0, 200_000), /in the middle/],
  ["no end mark", tar(entry("index.json", INDEX)).subarray(0, 1024), /without an end mark/],
  ["a second archive behind it", Buffer.concat([tar(entry("a")), tar(entry("b"))]), /data after its end mark/],
  ["compression", Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(2000, 7)]), /checksum/],
  ["a size that is a lie", tar(entry("index.json", "", { size: 2 ** 40 })), /in the middle/],
  ["an index that is none", tar(entry("index.json", "[]")), /index\.json/],
] as const) {
  test(`an archive with ${name} is refused`, async () => {
    await writeFile(at("hostile.tar"), bytes);
    await assert.rejects(archiveStore(at("hostile.tar")).getManifest("v1"), (error: Error) => {
      assert.ok(error instanceof StoreError && error.code === "REGISTRY_INVALID" && why.test(error.message), String(error));
      return true;
    });
  });
}

test("a blob with other bytes than its name says is not given out as that", async () => {
  const { digest } = describedAs(Buffer.from("good"));
  await writeFile(at("swapped.tar"), tar(entry("index.json", INDEX), entry(`blobs/sha256/${digest.slice(7)}`, "evil")));
  await assert.rejects(collected(archiveStore(at("swapped.tar")).getBlob({ digest, size: 4 })), { code: "REGISTRY_INVALID" });
});

test("whatever is done to an archive, it is read or refused", async () => {
  const file = at("fuzz.tar");
  const made = await putArtifact(archiveStore(file), bytesOf(3000, 1), { tag: "v1" });
  const whole = await readFile(file);
  const flips = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(flips, fc.option(fc.nat(whole.length), { nil: undefined }), async (changes, cut) => {
      const bytes = Buffer.from(whole.subarray(0, cut));
      for (const [place, value] of changes) if (place < bytes.length) bytes[place] = value;
      await writeFile(file, bytes);
      try {
        const { descriptor } = await archiveStore(file).getManifest("v1");
        assert.equal(descriptor.digest, made.digest);
      } catch (error) {
        assert.ok(error instanceof StoreError, String(error));
      }
    }),
    { numRuns: 150 },
  );
});
