import assert from "node:assert/strict";
import { test } from "node:test";
import { Base, baseSource } from "./base.ts";

for (const [base, source] of [
  [{ suite: "trixie" }, { kind: "suite", suite: "trixie", mirror: undefined, components: ["main"], allowExpired: false }],
  [
    { oci: "layout", tag: "v1" },
    { kind: "oci", path: "layout", tag: "v1" },
  ],
  [{ ociArchive: "../a.tar" }, { kind: "ociArchive", path: "../a.tar", tag: undefined }],
  [{ dockerArchive: "/srv/a.tar" }, { kind: "dockerArchive", path: "/srv/a.tar", tag: undefined }],
  [{ rootfs: "tree.tar.xz" }, { kind: "rootfs", path: "tree.tar.xz" }],
  [
    { dockerfile: "Dockerfile", args: { A: "1" } },
    { kind: "dockerfile", path: "Dockerfile", context: undefined, target: undefined, args: { A: "1" } },
  ],
] as const) {
  test(`a base of ${JSON.stringify(base)} is read`, () => {
    assert.deepEqual(baseSource(Base.parse(base)), source);
  });
}

for (const [base, message] of [
  [{}, /exactly one of .*; has none of them/],
  [{ suite: "trixie", oci: "layout" }, /exactly one of .*; has suite and oci/],
  [{ rootfs: "a.tar", tag: "v1" }, /is only for a base with oci or ociArchive or dockerArchive/],
  [{ oci: "layout", args: { A: "1" } }, /is only for a base with dockerfile/],
  [{ rootfs: "" }, /must be the path of a file or folder/],
  [{ rootfs: "a\nb" }, /must be the path of a file or folder/],
  [{ dockerfile: "D", args: { "A=B": "1" } }, /must be the name of an ARG/],
] as const) {
  test(`a base of ${JSON.stringify(base)} is refused`, () => {
    const parsed = Base.safeParse(base);
    assert.match(JSON.stringify(parsed.error?.issues), message);
  });
}
