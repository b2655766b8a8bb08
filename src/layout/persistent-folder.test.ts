import assert from "node:assert/strict";
import { posix } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { folderOf, isNormalPath, stepsBelow } from "./persistent-folder.ts";

for (const path of ["/a", "/a/b", "/a b/ü", "/...", "/.a", "/a/..b"]) {
  test(`${path} is normal`, () => assert.equal(isNormalPath(path), true));
}
for (const path of ["", "/", "a", "a/b", "/a/", "//a", "/a//b", "/..", "/a/..", "/a/../b", "/.", "/a/./b", "/a\0b"]) {
  test(`${JSON.stringify(path)} is not`, () => assert.equal(isNormalPath(path), false));
}

test("a normal path is what it resolves to", () => {
  const part = fc.constantFrom("a", ".", "..", "", "b.c", "...", " ");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
      const path = `/${parts.join("/")}`;
      assert.equal(isNormalPath(path), path !== "/" && posix.resolve(path) === path);
    }),
  );
});

test("a path lies in the folder whose name it starts with, whole parts only", () => {
  const folders = ["/home", "/var/log"];
  assert.deepEqual(
    ["/home", "/home/a", "/homer", "/var", "/var/log/x/y", "/"].map((path) => folderOf(path, folders)),
    ["/home", "/home", undefined, undefined, "/var/log", undefined],
  );
});

test("steps below a folder are every folder on the way, then the path", () => {
  assert.deepEqual(stepsBelow("/etc/app/a/b", "/etc/app"), ["/a", "/a/b"]);
  assert.deepEqual(stepsBelow("/etc/app", "/etc/app"), []);
});
