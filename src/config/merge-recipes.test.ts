import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mergeRecipes } from "./merge-recipes.ts";

const cases: readonly { readonly name: string; readonly top: object; readonly below: object; readonly is: object }[] = [
  {
    name: "a value of the top replaces one below",
    top: { version: "2" },
    below: { version: "1", name: "x" },
    is: { version: "2", name: "x" },
  },
  {
    name: "mappings are merged key by key",
    top: { kernel: { flavour: "full" } },
    below: { kernel: { flavour: "cloud", cmdline: ["quiet"] } },
    is: { kernel: { flavour: "full", cmdline: ["quiet"] } },
  },
  {
    name: "names follow each other without repeats",
    top: { packages: ["c", "a"] },
    below: { packages: ["a", "b"] },
    is: { packages: ["a", "b", "c"] },
  },
  {
    name: "files follow each other, the top's last",
    top: { files: [{ source: "x", target: "/x" }] },
    below: { files: [{ source: "x", target: "/x" }] },
    is: {
      files: [
        { source: "x", target: "/x" },
        { source: "x", target: "/x" },
      ],
    },
  },
  {
    name: "users are merged by their name",
    top: { users: [{ name: "b", groups: ["adm"] }, { name: "c" }] },
    below: { users: [{ name: "a" }, { name: "b", uid: 1000, groups: ["sudo"] }] },
    is: { users: [{ name: "a" }, { name: "b", uid: 1000, groups: ["sudo", "adm"] }, { name: "c" }] },
  },
  {
    name: "a base is replaced as a whole",
    top: { base: { oci: "x" } },
    below: { base: { suite: "trixie", mirror: "y" } },
    is: { base: { oci: "x" } },
  },
  {
    name: "so are recovery's times",
    top: { recovery: { after: ["5s"] } },
    below: { recovery: { after: ["1h", "5s"] } },
    is: { recovery: { after: ["5s"] } },
  },
  {
    name: "what the top says about a unit holds",
    top: { units: { disable: ["b"], enable: ["m"] } },
    below: { units: { enable: ["a", "b"], mask: ["m"] } },
    is: { units: { enable: ["a", "m"], mask: [], disable: ["b"] } },
  },
  { name: "what a recipe below extends is not the top's", top: { name: "x" }, below: { extends: "y" }, is: { name: "x" } },
  {
    name: "a list in place of a mapping is left for the check",
    top: { units: ["a"] },
    below: { units: { enable: ["b"] } },
    is: { units: ["a"] },
  },
];
for (const { name, top, below, is } of cases) test(name, () => assert.deepEqual(mergeRecipes([top, below]).value, is));

test("every part knows which recipe it was written in, and where", () => {
  const { placeOf } = mergeRecipes([
    { packages: ["c"], users: [{ name: "b", home: "/x" }] },
    { packages: ["a"], users: [{ name: "a" }, { name: "b", uid: 7 }], disk: { size: "x" } },
  ]);
  assert.deepEqual(placeOf(["packages", 0]), { recipe: 1, path: ["packages", 0] });
  assert.deepEqual(placeOf(["packages", 1]), { recipe: 0, path: ["packages", 0] });
  assert.deepEqual(placeOf(["users", 1, "home"]), { recipe: 0, path: ["users", 0, "home"] });
  assert.deepEqual(placeOf(["users", 1, "uid"]), { recipe: 1, path: ["users", 1, "uid"] });
  assert.deepEqual(placeOf(["disk", "size"]), { recipe: 1, path: ["disk", "size"] });
  assert.deepEqual(placeOf(["disk", "slotSize"]), { recipe: 1, path: ["disk", "slotSize"] });
  assert.deepEqual(placeOf(["name"]), { recipe: 0, path: ["name"] });
});

test("one recipe alone is itself, nothing added to one below is that one, and merging any values is no exception", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (a, b, c) => {
      assert.deepEqual(mergeRecipes([a]).value, structuredClone(a));
      mergeRecipes([a, b, c]).placeOf(["units", "enable", 0]);
    }),
  );
  const key = fc.constantFrom("packages", "units", "enable", "disable", "users", "name", "base", "extends", "files");
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<unknown>("a", "b", null, 1),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(key, tie("tree"), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(fc.array(tree, { minLength: 1, maxLength: 4 }), (values) => {
      const merged = mergeRecipes(values);
      assert.ok(merged.placeOf(["users", 0, "name"]).recipe < values.length);
    }),
    { numRuns: 2000 },
  );
});
