import assert from "node:assert/strict";
import { test } from "node:test";
import type { KnownRelease } from "../../layout/updates-state.ts";
import { chooseRelease, newestTag } from "./choose.ts";

const release = (version: string, created = 0): KnownRelease => ({
  ...{ image: `${version}@${created}`, version, created, security: false, reference: `registry.example/edge@sha256:${version}` },
});
const left = (version: string, created = 0) => ({ ...release(version, created), operation: "00c0ffee", at: 9, reason: "x" });
const running = { version: "1.4.0", created: 1, image: "1.4.0@1" };
const found = (releases: readonly KnownRelease[], versions = "*", fellBack: ReturnType<typeof left>[] = []): string | undefined =>
  chooseRelease(releases, { versions }, running, fellBack)?.image;

test("the newest one in the range is wanted, in whatever order they come", () => {
  const all = ["1.10.0", "1.9.0", "2.0.0", "1.11.0-rc.1", "nightly"].map((version) => release(version));
  assert.deepEqual(
    [found(all, "^1.4"), found(all), found(all.toReversed(), "^1.4"), found(all, "^3")],
    ["1.10.0@0", "2.0.0@0", "1.10.0@0", undefined],
  );
});

test("what is older than what runs is not wanted; what runs is what is told", () => {
  assert.equal(found([release("1.3.0", 5)]), undefined);
  assert.equal(found([release("1.3.0", 5), release("1.4.0", 1)]), "1.4.0@1");
  assert.equal(chooseRelease([release("1.3.0", 5)], { versions: "*" }, undefined, [])?.image, "1.3.0@5");
});

test("the same version made anew is newer", () => assert.equal(found([release("1.4.0", 2)]), "1.4.0@2"));

test("what a tag leads to is wanted whatever its version is; a digest names exactly one", () => {
  const all = [release("nightly", 5), release("1.5.0")];
  assert.equal(chooseRelease([all[0]!], { tag: "stable" }, running, [])?.version, "nightly");
  assert.equal(chooseRelease(all, { digest: "sha256:1.5.0" }, running, [])?.version, "1.5.0");
  assert.equal(chooseRelease(all, { digest: "sha256:1.6.0" }, running, []), undefined);
});

test("a release that fell back is told, and nothing that is as old takes its place; a newer one does, and one that was made later", () => {
  const fellBack = [left("1.6.0", 10)];
  assert.equal(found([release("1.6.0", 10), release("1.5.0", 9)], "*", fellBack), "1.6.0@10");
  assert.equal(found([release("1.5.0", 9)], "*", fellBack), undefined);
  assert.equal(found([release("1.6.0", 10), release("1.7.0", 11)], "*", fellBack), "1.7.0@11");
  assert.equal(found([release("1.5.1", 11)], "*", fellBack), "1.5.1@11");
});

test("of tags that are versions the newest one in the range is looked at", () => {
  const tags = ["latest", "1.9.0", "1.10.0", "2.0.0", "1.11.0-rc.1", "sha256-00", "v1.12.0"];
  assert.deepEqual(
    [newestTag(tags, "^1.4"), newestTag(tags, "*"), newestTag(tags, "^3"), newestTag([], "*")],
    ["1.10.0", "2.0.0", undefined, undefined],
  );
});
