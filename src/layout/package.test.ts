import assert from "node:assert/strict";
import { test } from "node:test";
import { byName, dependenciesOf, fullVersion, type Package } from "./package.ts";

const one = (name: string, depends: readonly (readonly string[])[] = [], provides: readonly string[] = []): Package => ({
  ...{ kind: "deb", name, version: "1", architecture: "all", depends, provides },
});

test("a package needs the first alternative that is there, by its name or another one it answers to, and never itself", () => {
  const packages = [one("a", [["missing", "b"], ["virtual"], ["gone"], ["a"]]), one("b"), one("c", [["b"]], ["virtual", "b"])];
  assert.deepEqual(dependenciesOf(packages), [[1, 2], [], [1]]);
});
test("lists are sorted by name, architecture and version, the same everywhere", () => {
  const names = ["b", "Z", "a", "ä"].map((name) => one(name)).toSorted(byName);
  assert.deepEqual(
    names.map(({ name }) => name),
    ["Z", "a", "b", "ä"],
  );
});
test("an epoch is shown where there is one", () => {
  assert.deepEqual([fullVersion({ ...one("a"), epoch: 2 }), fullVersion(one("a"))], ["2:1", "1"]);
});
