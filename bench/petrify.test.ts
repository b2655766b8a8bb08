import assert from "node:assert/strict";
import { test } from "node:test";
import { packageInputs } from "../src/build/default-packages.ts";
import { baseSource, type SuiteSource } from "../src/config/base.ts";
import { parseRecipe } from "../src/config/parse-recipe.ts";
import { imageCommandLine } from "../src/layout/cmdline.ts";
import { RECIPE } from "./petrify.ts";
import { KERNEL_WORDS, PACKAGES, SUITE } from "./workload.ts";

test("petrify's recipe asks for exactly the packages that the other sides are told to install", () => {
  const recipe = parseRecipe(RECIPE, "petrify.yaml");
  const { suite, names } = packageInputs(baseSource(recipe.base) as SuiteSource, recipe);
  assert.deepEqual([suite, names.toSorted()], [SUITE, [...PACKAGES].toSorted()]);
});

test("petrify's kernel gets exactly the words that the plain disk's kernel gets", () => {
  const rootHash = "0".repeat(64);
  assert.equal(imageCommandLine({ rootHash }), `petrify.roothash=${rootHash} ${KERNEL_WORDS.join(" ")}`);
});
