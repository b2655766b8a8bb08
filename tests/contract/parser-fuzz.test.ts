import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzParser, PARSERS } from "../support/parser-fuzz.ts";

for (const parser of PARSERS) {
  test(`${parser.name}: sound ones are read, damaged ones read or refused`, () => {
    parser.read(parser.sound[0]!);
    const { read } = fuzzParser(parser, 300, 7);
    assert.ok(read > 0, "some of them are read");
  });
}
