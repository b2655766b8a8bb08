import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import * as fc from "fast-check";
import judge from "spdx-expression-parse";
import { KNOWN_LICENCES, licenceOf } from "./licence.ts";

for (const [texts, expression] of [
  [["MIT"], "MIT"],
  [["Expat"], "MIT"],
  [["mit"], "MIT"],
  [["GPL-2+"], "GPL-2.0-or-later"],
  [["GPL-2"], "GPL-2.0-only"],
  [["GPL-2.0-only WITH Classpath-exception-2.0"], "GPL-2.0-only WITH Classpath-exception-2.0"],
  [["GPLv3+"], "GPL-3.0-or-later"],
  [["LGPL-2.1+ or Artistic"], "LGPL-2.1-or-later OR Artistic-1.0-Perl"],
  [["Expat", "GPL-2+ or MIT"], "MIT AND (GPL-2.0-or-later OR MIT)"],
  [["(MIT or BSD-2-clause) and Zlib"], "(MIT OR BSD-2-Clause) AND Zlib"],
  [["public-domain"], "LicenseRef-public-domain"],
  [["MIT", "MIT"], "MIT"],
  [["LGPL-1"], "LicenseRef-LGPL-1"],
] as const) {
  test(`${texts.join(" · ")} is ${expression}`, () => assert.equal(licenceOf(texts)?.expression, expression));
}

test("nothing is nothing", () => {
  assert.equal(licenceOf([]), undefined);
  assert.equal(licenceOf([" "]), undefined);
});

test("what is no expression becomes one reference with the package's own words", () => {
  for (const text of ["GPL-2 with Foo exception", "MIT,", "A or", "distributable (see LICENSE)", "(MIT", "MIT GPL-2"]) {
    const licence = licenceOf([text])!;
    const [[name, words]] = [...licence.references] as [[string, string]];
    assert.equal(licence.expression, name);
    assert.equal(words, text);
  }
});

test("two texts never share a reference", () => {
  const names = ["a b", "a-b", "a/b", "a  b"].map((text) => licenceOf([`${text} (`])!.expression);
  assert.equal(new Set(names).size, names.length);
});

test("every known identifier is one of the SPDX list", async () => {
  const list = new URL(import.meta.resolve("@cyclonedx/cyclonedx-library")).pathname.replace(
    /\/dist\.node\/.*$/,
    "/res/schema/spdx.SNAPSHOT.schema.json",
  );
  const { enum: ids } = JSON.parse(await readFile(list, "utf8")) as { enum: string[] };
  assert.deepEqual(
    KNOWN_LICENCES.filter((id) => !ids.includes(id)),
    [],
  );
});

test("whatever the text, the expression is one of SPDX, and its references are explained", () => {
  const word = fc.constantFrom(
    "MIT",
    "GPL-2+",
    "and",
    "or",
    "with",
    "(",
    ")",
    "Classpath-exception-2.0",
    "Foo",
    "x/y",
    ",",
    "Expat",
    "ß",
    "LicenseRef-a",
    "",
  );
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(word).map((words) => words.join(" ")),
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), (texts) => {
      const licence = licenceOf(texts);
      if (!licence) return;
      judge(licence.expression);
      for (const name of licence.expression.match(/LicenseRef-[A-Za-z0-9.-]+/g) ?? [])
        assert.ok(licence.references.has(name), name);
    }),
    { numRuns: 2000 },
  );
});
