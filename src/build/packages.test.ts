import assert from "node:assert/strict";
import { test } from "node:test";
import { inputsDigest, parseUris } from "./packages.ts";

const sha = "ab".repeat(32);

test("parseUris() reads name, version with epoch, architecture and digest, and nothing else", () => {
  const text = [
    "The following NEW packages will be installed:",
    `'http://mirror/pool/z/zlib1g_1.3-1_amd64.deb' zlib1g_1%3a1.3+b1-1_amd64.deb 88720 SHA256:${sha}`,
    `'http://mirror/pool/x.deb' x_1_all.deb 1 MD5Sum:abc`,
  ].join("\n");
  assert.deepEqual(parseUris(text), [{ name: "zlib1g", version: "1:1.3+b1-1", arch: "amd64", sha256: sha }]);
});
test("inputsDigest() does not depend on order or repetition, and depends on everything else", () => {
  const inputs = { suite: "trixie", components: ["main"], names: ["a", "b"] };
  const same = inputsDigest({ ...inputs, names: ["b", "a", "b"] });
  assert.equal(inputsDigest(inputs), same);
  for (const other of [{ suite: "sid" }, { components: ["main", "contrib"] }, { names: ["a"] }, { mirror: "http://m" }]) {
    assert.notEqual(inputsDigest({ ...inputs, ...other }), same);
  }
});
