/** Tests of what a machine config comes to on an image, as tables: what is made of it, and what is refused. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { fakeConfig } from "../../src/config/machine/compile/fake-config.ts";
import {
  compileConfig,
  compileTolerantly,
  type Compilation,
  type CompileMeans,
} from "../../src/config/machine/compile/compile-config.ts";
import { alpine, debian, fedora } from "../../src/config/machine/compile/fake-image.ts";
import type { ImageView } from "../../src/config/machine/compile/image-view.ts";
import type { NodeConfig } from "../../src/config/machine/node-config.ts";
import { AppError } from "../../src/core/error.ts";
import { decodeCompiledConfig, encodeCompiledConfig } from "../../src/layout/compiled-config.ts";
import type { FakeFiles } from "../../src/layout/fake-tree.ts";

export const IMAGES = { debian, fedora, alpine };
export const MEANS: CompileMeans = {
  digest: "0".repeat(64),
  network: { files: [] },
  sha1: (bytes) => createHash("sha1").update(bytes).digest(),
};

export const compile = (about: Partial<NodeConfig>, view: ImageView = debian(), means = MEANS): Compilation =>
  compileConfig(fakeConfig(about), view, means);
export const tolerantly = (about: Partial<NodeConfig>, view: ImageView = debian()): Compilation =>
  compileTolerantly(fakeConfig(about), view, MEANS);
export const problemsOf = (about: Partial<NodeConfig>, view?: ImageView): string[] =>
  tolerantly(about, view).unsupported.map(({ key, problem }) => `${key}: ${problem}`);

/** A file as its text, anything else in a word; `undefined` where nothing is made of the path. */
export function shown({ compiled }: Compilation, path: string): string | undefined {
  const what = compiled.entries.find((entry) => entry.path === path)?.what;
  if (what?.is === "file") return "text" in what.content ? what.content.text : what.content.base64;
  return what?.is === "link" ? `-> ${what.to}` : what?.is;
}

/** That it can be stored, and read again as it was. */
export function assertStorable({ compiled }: Compilation): void {
  assert.deepEqual(decodeCompiledConfig(encodeCompiledConfig(compiled)), { is: "whole", value: compiled });
}

/** What keys make of each path, as {@link shown} has it. */
export type Made = readonly [
  what: string,
  image: keyof typeof IMAGES,
  about: Partial<NodeConfig>,
  paths: Readonly<Record<string, RegExp | string | undefined>>,
];

/** A test a row; whatever is made is made the same again, and can be stored. */
export function testMade(rows: readonly Made[]): void {
  for (const [what, image, about, paths] of rows) {
    test(`${image}: ${what}`, () => {
      const compilation = compile(about, IMAGES[image]());
      for (const [path, expected] of Object.entries(paths)) {
        const found = shown(compilation, path);
        if (expected instanceof RegExp) assert.match(found ?? `nothing at ${path}`, expected);
        else assert.equal(found, expected, path);
      }
      assert.equal(JSON.stringify(compile(structuredClone(about), IMAGES[image]())), JSON.stringify(compilation));
      assertStorable(compilation);
    });
  }
}

/** What an image cannot do, or what contradicts something. @param more files of the image; default: Debian's */
export type Refused = readonly [
  what: string,
  about: Partial<NodeConfig>,
  problem: RegExp,
  more?: FakeFiles,
  image?: keyof typeof IMAGES,
];

/** A test a row; what remains when it is left out can be stored. */
export function testRefused(rows: readonly Refused[]): void {
  for (const [what, about, problem, more, image = "debian"] of rows) {
    test(`refused: ${what}`, () => {
      const view = IMAGES[image](more);
      const found = problemsOf(about, view).filter((one) => problem.test(one));
      assert.equal(found.length, 1, problemsOf(about, view).join("\n") || "nothing was refused");
      assert.throws(
        () => compile(about, view),
        (error) => error instanceof AppError && error.code === "CONFIG_UNSUPPORTED",
      );
      assertStorable(tolerantly(about, view));
    });
  }
}
