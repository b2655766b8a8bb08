import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testContext } from "../../../tests/support/build-context.ts";
import { fullTree, listTree } from "../../../tests/support/full-tree.ts";
import { parseRecipe } from "../../config/parse-recipe.ts";
import { assembleSystemImage } from "../system-image.ts";
import { formatVerity } from "../verity.ts";
import { systemImageBase } from "./system-image-base.ts";

/** An image whose root has everything that the way through an image could lose. */
async function place({ modules = "usr/lib/modules" } = {}) {
  const dir = await mkdtempDisposable(join(tmpdir(), "petrify-image-base-"));
  const at = (name: string): string => join(dir.path, name);
  const context = await testContext({ cacheFolder: at("cache") });
  const { tools } = context;
  await fullTree(await context.containerTools(), tools, at("tree"));
  await mkdir(at("tree/usr/lib/petrify"), { recursive: true });
  await writeFile(at("tree/usr/lib/petrify/old"), "of an older version");
  // A folder of its own where `/usr` is not merged.
  if (!modules.startsWith("usr/")) await rm(at("tree/lib"));
  await mkdir(at(`tree/${modules}/6.12.0`), { recursive: true });
  await writeFile(at("vmlinuz"), "a kernel");
  await writeFile(at("initrd"), "an initrd");
  const binds = [{ source: dir.path, writable: true }];
  const mkfs = ["mkfs.erofs", "--quiet", "-T", "1700000000", "-U", "clear", "--all-time", at("root"), at("tree")] as const;
  await tools.run(mkfs, { binds, anyOwner: true });
  const facts = { name: "below", version: "1", architecture: "x86-64", kernel: "6.12.0", created: 1_700_000_000 } as const;
  await assembleSystemImage(
    tools,
    {
      ...{ facts, rootHash: await formatVerity(tools, at("root"), at("verity")), imageCfg: "" },
      ...{ vmlinuz: at("vmlinuz"), initrd: at("initrd"), root: at("root"), verity: at("verity") },
    },
    at("below.img"),
    dir.path,
  );
  await mkdir(at("work"));
  const recipe = parseRecipe("apiVersion: petrify/v1\nname: x\nextends: below.img\n", "petrify.yaml");
  const request = { recipe, recipeFolder: dir.path, lock: undefined, renew: false, work: at("work") };
  return { at, context, request, binds, [Symbol.asyncDispose]: async () => await dir.remove() };
}
const source = { kind: "image", path: "below.img" } as const;

test("the base of an image is its tree, with owners, links, capabilities, ACLs and attributes, and its kernel", async (t) => {
  if (process.getuid!() !== 0) return t.skip("only root can give files to any user");
  await using p = await place();
  const base = await systemImageBase(source, p.request, p.context);
  assert.equal(base.time, 1_700_000_000);
  assert.match(base.inputs, /^sha256:[0-9a-f]{64}$/);
  const { tools } = p.context;
  await mkdir(p.at("out"));
  const argv = ["tar", "--extract", `--file=${base.tar}`, `--directory=${p.at("out")}`, "--numeric-owner", "--same-permissions"];
  await tools.run([argv[0]!, ...argv.slice(1), "--delay-directory-restore", "--xattrs", "--xattrs-include=*"], {
    binds: p.binds,
    anyOwner: true,
  });
  assert.equal(await readFile(p.at("out/usr/lib/modules/6.12.0/vmlinuz"), "utf8"), "a kernel");
  // What petrify puts in is not taken along.
  const gone = /^usr\/lib\/petrify|vmlinuz /;
  const [got, wanted] = [await listTree(tools, p.at("out")), await listTree(tools, p.at("tree"))];
  assert.deepEqual(
    got.filter((line) => !gone.test(line)),
    wanted.filter((line) => !gone.test(line)),
  );
  assert.ok(!got.some((line) => line.startsWith("usr/lib/petrify")));
  assert.deepEqual(
    await systemImageBase(source, { ...p.request, work: "/nowhere" }, p.context),
    base,
    "the second time it is in the cache",
  );
});

test("the kernel lies beside its modules where /usr is not merged, too", async (t) => {
  if (process.getuid!() !== 0) return t.skip("only root can give files to any user");
  await using p = await place({ modules: "lib/modules" });
  const { tar } = await systemImageBase(source, p.request, p.context);
  const { stdout } = await p.context.tools.run(["tar", "--list", "--file", tar], { binds: [{ source: tar }] });
  assert.match(stdout, /^\.\/lib\/modules\/6\.12\.0\/vmlinuz$/m);
  assert.doesNotMatch(stdout, /usr\/lib\/modules/);
});

test("an image with one bit changed anywhere is refused, and nothing of it is kept", async (t) => {
  await using p = await place();
  for (const [what, name] of [
    ["the kernel", "a kernel"],
    ["a file", "somebody's"],
  ] as const) {
    await t.test(what, async () => {
      const at = (await readFile(p.at("below.img"))).indexOf(name);
      assert.ok(at > 0);
      await using file = await open(p.at("below.img"), "r+");
      await file.write("A", at);
      await assert.rejects(systemImageBase(source, p.request, p.context), {
        code: "BASE_DAMAGED",
        message: /below\.img is damaged/,
      });
      await file.write(name.slice(0, 1), at);
    });
  }
  await assert.rejects(readFile(p.at("cache/bases")), { code: "ENOENT" });
});

test("what is not there, and what is no image, is told", async () => {
  await using p = await place();
  await assert.rejects(systemImageBase({ kind: "image", path: "absent.img" }, p.request, p.context), {
    code: "BASE_MISSING",
    hint: /Build it first/,
  });
  await writeFile(p.at("text.img"), "text");
  await assert.rejects(systemImageBase({ kind: "image", path: "text.img" }, p.request, p.context), { code: "BASE_INVALID" });
});
