import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { decodeTrustStatement, encodeTrustStatement } from "./trust-statement.ts";

const STATEMENT = { made: 1_800_000_000, authorities: "-----BEGIN CERTIFICATE-----\n…\n", epoch: 3 };
const text = encodeTrustStatement(STATEMENT);

suite("a statement on whom to trust", () => {
  test("is read as it was written", () => assert.deepEqual(decodeTrustStatement(text), STATEMENT));

  for (const [name, bad] of [
    ["of another format", text.replace("trust 1", "trust 2")],
    ["without its head", text.slice(text.indexOf("\n") + 1)],
    ["that is no JSON", "petrify trust 1\n{"],
    ["that is nothing", "petrify trust 1\nnull\n"],
    ["with a key more", text.replace("}", ',"more":1}')],
    ["with other blanks", text.replace(":", ": ")],
    ["with more behind it", `${text}\n`],
    ["with a time that is none", text.replace("1800000000", "-1")],
    ["with half an epoch", text.replace('"epoch":3', '"epoch":0.5')],
    ["without authorities", text.replace(/"authorities":"[^"]*"/, '"authorities":1')],
  ] as const) {
    test(`${name} is none`, () => assert.equal(decodeTrustStatement(bad), undefined));
  }
});
