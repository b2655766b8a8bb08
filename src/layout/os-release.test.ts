import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseOsRelease } from "./os-release.ts";

test("assignments are read as a shell would, and nothing is run", () => {
  const text = `PRETTY_NAME="A \\"quoted\\" \\$name \\\\"\nID=debian\nNAME='single $x'\n# NOT=this\nVERSION_ID="13"\n\nlower=no\nEMPTY=\nBAD = 1\n`;
  assert.deepEqual(parseOsRelease(text), {
    PRETTY_NAME: 'A "quoted" $name \\',
    ID: "debian",
    NAME: "single $x",
    VERSION_ID: "13",
    EMPTY: "",
  });
});

test("whatever the text, reading it ends", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void parseOsRelease(text)));
});
