import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { testContext } from "../../tests/support/build-context.ts";
import { fakeKernel } from "../../tests/support/fake-kernel.ts";
import { fixtureTree } from "../../tests/support/fixture-tree.ts";
import { parseRecipe } from "../config/parse-recipe.ts";
import { kernelFlavour, openKernelSource } from "./kernel-source.ts";

for (const [base, kernel, flavour] of [
  ["suite: trixie", "", "cloud"],
  ["suite: trixie", "flavour: full", "full"],
  ["suite: trixie", "flavour: none", undefined],
  ["suite: trixie", "flavour: none, from: { suite: sid }", "cloud"],
  ["suite: trixie", "flavour: none, from: { oci: x }", undefined],
  ["oci: x", "", undefined],
  ["oci: x", "from: { rootfs: x }", undefined],
  ["oci: x", "from: { suite: trixie }", "cloud"],
  ["oci: x", "flavour: full, from: { suite: trixie }", "full"],
] as const) {
  test(`with base ${base} and kernel {${kernel}} the kernel is ${flavour ? `a suite's ${flavour} one` : "of no suite"}`, () => {
    const recipe = parseRecipe(`apiVersion: petrify/v1\nname: x\nbase: { ${base} }\nkernel: { ${kernel} }\n`, "r.yaml");
    assert.equal(kernelFlavour(recipe), flavour);
  });
}

test("a kernel comes out of any base, and the lock says of which", async () => {
  await using folder = await fixtureTree({ "boot/vmlinuz-lts": fakeKernel("6.1.0"), "lib/modules/6.1.0/kernel/a.ko": "module" });
  const recipe = parseRecipe(
    "apiVersion: petrify/v1\nname: x\nbase: { oci: x }\nkernel: { from: { rootfs: ../root } }\n",
    "petrify.yaml",
  );
  const request = { recipe, recipeFolder: folder.work, lock: undefined, renew: false, work: folder.work };
  const context = await testContext({ cacheFolder: join(folder.work, "cache") });
  const { tree, locked } = (await openKernelSource(request, context))!;
  assert.equal(await tree.fs.read("/lib/modules/6.1.0/kernel/a.ko"), "module");
  assert.match(locked.inputs, /^sha256:/);
  assert.deepEqual(locked.packages, []);
  const { from: _, ...kernel } = recipe.kernel;
  assert.equal(await openKernelSource({ ...request, recipe: { ...recipe, kernel } }, context), undefined);
});
