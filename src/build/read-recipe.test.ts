import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { AppError } from "../core/error.ts";
import { readRecipeFile } from "./read-recipe.ts";

async function folder(files: Readonly<Record<string, string>>) {
  const dir = await mkdtempDisposable(join(tmpdir(), "petrify-extends-"));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir.path, path)), { recursive: true });
    await writeFile(join(dir.path, path), text);
  }
  return { at: (path: string) => join(dir.path, path), [Symbol.asyncDispose]: async () => await dir.remove() };
}
const BASE = `apiVersion: petrify/v1
name: base
base: { suite: trixie }
packages: [openssh-server]
files: [{ source: files/motd, target: /etc/motd }]
users: [{ name: ann, groups: [adm] }]
`;

test("a recipe has what it extends, and each finds its own files", async () => {
  await using at = await folder({
    "common/petrify.yaml": BASE,
    "site/petrify.yaml":
      "apiVersion: petrify/v1\nextends: ../common\nname: site\nfiles: [{ source: issue, target: /etc/issue }]\ntrust: keys/trusted.json\n",
    "kiosk.yaml":
      "apiVersion: petrify/v1\nextends: site/petrify.yaml\nname: kiosk\npackages: [vim]\nusers: [{ name: ann, uid: 1500 }]\n",
  });
  const recipe = await readRecipeFile(at.at("kiosk.yaml"));
  assert.equal(recipe.name, "kiosk");
  assert.deepEqual(recipe.base, { suite: "trixie" });
  assert.deepEqual(recipe.packages, ["openssh-server", "vim"]);
  assert.deepEqual(
    recipe.files.map(({ source }) => source),
    [at.at("common/files/motd"), at.at("site/issue")],
  );
  assert.equal(recipe.trust, at.at("site/keys/trusted.json"));
  assert.partialDeepStrictEqual(recipe.users, [{ name: "ann", uid: 1500, groups: ["adm"] }]);
});

test("an image is the base of what extends it, from where it is named", async () => {
  await using at = await folder({
    "common/petrify.yaml": "apiVersion: petrify/v1\nextends: out/base.img\nname: common\n",
    "petrify.yaml": "apiVersion: petrify/v1\nextends: common\nname: top\n",
  });
  assert.deepEqual((await readRecipeFile(at.at("petrify.yaml"))).base, { image: at.at("common/out/base.img") });
  assert.deepEqual((await readRecipeFile(at.at("common/petrify.yaml"))).base, { image: "out/base.img" });
});

test("a kernel's source is found from where it is named, and replaced as a whole", async () => {
  await using at = await folder({
    "common/petrify.yaml":
      "apiVersion: petrify/v1\nname: a\nbase: { rootfs: root.tar }\nkernel: { from: { oci: layout, tag: one }, cmdline: [quiet] }\n",
    "petrify.yaml": "apiVersion: petrify/v1\nextends: common\nname: top\n",
    "other.yaml": "apiVersion: petrify/v1\nextends: common\nname: top\nkernel: { from: { rootfs: kernel.tar } }\n",
  });
  const below = await readRecipeFile(at.at("petrify.yaml"));
  assert.deepEqual(below.base, { rootfs: at.at("common/root.tar") });
  assert.deepEqual(below.kernel.from, { oci: at.at("common/layout"), tag: "one" });
  const top = await readRecipeFile(at.at("other.yaml"));
  assert.deepEqual(top.kernel.from, { rootfs: "kernel.tar" });
  assert.deepEqual(top.kernel.cmdline, ["quiet"]);
});

const wrong: readonly {
  readonly name: string;
  readonly files: Record<string, string>;
  readonly code: string;
  readonly message: RegExp;
}[] = [
  {
    name: "a mistake is told where it is, in the recipe that it is in",
    files: {
      "a.yaml": "apiVersion: petrify/v1\nname: a\nextends: b.yaml\nhostname: X!\n",
      "b.yaml": `${BASE}packges: [x]\ndisk: { size: 5 }\n`,
    },
    code: "RECIPE_INVALID",
    message:
      /^\S*a\.yaml:4:11: hostname: must be[^\n]*\n\S*b\.yaml:7:1: packges: is not a key[^\n]*\n\S*b\.yaml:8:15: disk\.size: must be/m,
  },
  {
    name: "what is missing in both is told of the top",
    files: { "a.yaml": "apiVersion: petrify/v1\nextends: b.yaml\n", "b.yaml": "base: { suite: trixie }\n" },
    code: "RECIPE_INVALID",
    message: /a\.yaml:1:1: name: is missing/,
  },
  {
    name: "recipes that extend each other",
    files: { "a.yaml": "extends: b.yaml\n", "b.yaml": "name: b\nextends: sub/../a.yaml\n", "sub/x": "" },
    code: "RECIPE_CYCLE",
    message: /b\.yaml:2:10: extends: recipes extend each other: \S*a\.yaml → \S*b\.yaml → \S*a\.yaml$/,
  },
  {
    name: "a recipe that extends itself",
    files: { "a.yaml": "extends: a.yaml\n" },
    code: "RECIPE_CYCLE",
    message: /a\.yaml → \S*a\.yaml$/,
  },
  {
    name: "a recipe that is not there",
    files: { "a.yaml": "extends: b.yaml\n" },
    code: "RECIPE_MISSING",
    message: /a\.yaml:1:10: extends: there is no recipe at \S*b\.yaml/,
  },
  {
    name: "an image with a base beside it",
    files: { "a.yaml": "apiVersion: petrify/v1\nname: a\nextends: x.img\nbase: { suite: trixie }\n" },
    code: "RECIPE_INVALID",
    message: /a\.yaml:4:7: base: /,
  },
  {
    name: "more recipes than are read",
    files: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`${i === 0 ? "a" : i}.yaml`, `extends: ${i + 1}.yaml\n`])),
    code: "RECIPE_CYCLE",
    message: /7\.yaml:1:10: extends: this would be the 9th/,
  },
];
for (const { name, files, code, message } of wrong) {
  test(`is refused: ${name}`, async () => {
    await using at = await folder(files);
    await assert.rejects(readRecipeFile(at.at("a.yaml")), (error: AppError) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      assert.ok(error.hint);
      return true;
    });
  });
}

test("a link to a recipe is that recipe", async () => {
  await using at = await folder({ "a.yaml": "extends: b.yaml\n" });
  await symlink("a.yaml", at.at("b.yaml"));
  await assert.rejects(readRecipeFile(at.at("a.yaml")), { code: "RECIPE_CYCLE" });
});
