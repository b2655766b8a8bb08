import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { parseRecipe } from "../config/parse-recipe.ts";
import { recipeJsonSchema } from "../config/recipe.ts";
import { runForTest } from "./testing.ts";

async function folder() {
  const path = await mkdtemp(join(tmpdir(), "petrify-init-"));
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true }) };
}

test("petrify init writes a recipe that parses, named after its folder, and the schema it refers to", async () => {
  await using at = await folder();
  const { exitCode, err } = await runForTest(["init", "my-kiosk"], { cwd: at.path });
  assert.deepEqual({ exitCode, err }, { exitCode: 0, err: "" });
  const text = await readFile(join(at.path, "my-kiosk/petrify.yaml"), "utf8");
  assert.equal(parseRecipe(text, "petrify.yaml").name, "my-kiosk");
  const schema = /^# yaml-language-server: \$schema=(\S+)/.exec(text)?.[1];
  assert.deepEqual(
    JSON.parse(await readFile(join(at.path, "my-kiosk", schema!), "utf8")),
    JSON.parse(JSON.stringify(recipeJsonSchema())),
  );
});

test("every example in the template is a valid recipe once its # is taken away, and no key is left out", async () => {
  const text = await readFile(join(import.meta.dirname, "templates/petrify.yaml"), "utf8");
  const examples = text.replaceAll(/^#(?=\S| {2,})/gm, "");
  assert.equal(parseRecipe(examples, "petrify.yaml").users[0]?.name, "admin");
  // Of the text: a parsed recipe has every key, by its default.
  const written = Object.keys(parse(examples) as object);
  assert.deepEqual(written.toSorted(), Object.keys(recipeJsonSchema().properties!).toSorted());
});

test("petrify init leaves a recipe alone that is there already", async () => {
  await using at = await folder();
  await writeFile(join(at.path, "petrify.yaml"), "mine");
  const { exitCode, err } = await runForTest(["init"], { cwd: at.path });
  assert.equal(exitCode, 1);
  assert.match(err, /^error: .*petrify\.yaml is there already\nhint: /);
  assert.equal(await readFile(join(at.path, "petrify.yaml"), "utf8"), "mine");
  assert.deepEqual(await readdir(at.path), ["petrify.yaml"]);
});
